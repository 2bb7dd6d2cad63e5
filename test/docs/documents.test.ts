import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadConfig, settingNames } from '../../src/config.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((file) => `docs/${file}`),
]
  .filter((file) => file.endsWith('.md'))
  .sort()

/** The text outside of code blocks. */
const prose = (file: string): string => read(file).replaceAll(/^```[\s\S]*?^```/gm, '')

/** The anchors that GitHub gives to headings. */
const anchors = (file: string): readonly string[] =>
  [...prose(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

const links = documents.flatMap((file) =>
  [...prose(file).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => ({ file, target }))
    .filter(({ target }) => !target.startsWith('https://')),
)

test('there are links to check', () => expect(links.length).toBeGreaterThan(40))

test.each(links)('$file: $target leads to something', ({ file, target }) => {
  const [path = '', anchor] = target.split('#')
  const at = path === '' ? file : relative(root, join(root, dirname(file), path))
  expect(existsSync(join(root, at)), at).toBe(true)
  if (anchor !== undefined) expect(anchors(at)).toContain(anchor)
})

test('docs/configuration.md has a row for every setting, and for nothing else', () => {
  const rows = read('docs/configuration.md').matchAll(/^\| ((?:`[A-Z0-9_]+`(?:, )?)+) +\|/gm)
  const documented = [...rows].flatMap(([, names = '']) => [...names.matchAll(/[A-Z0-9_]+/g)].map(([name]) => name))
  expect(documented.sort()).toEqual([...settingNames()].sort())
})

test('no setting draws the warning of an unknown name', () =>
  expect(loadConfig({ CRAWLING_PROXY: 'none', CRAWLING_HITS: '5', LEASE_MS: '300' }).warnings).toEqual([]))
