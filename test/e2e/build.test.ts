import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './harness.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const mainFile = `import { Worker } from 'node:worker_threads'
import { word } from './word.ts'
const where: string = import.meta.url.includes('/dist/') ? 'build' : 'sources'
new Worker(new URL('./thread.ts', import.meta.url)).on('message', (other) => console.log(\`\${where}: \${word}, \${other}\`))
`
const threadFile = `import { parentPort } from 'node:worker_threads'
import { word } from './word.ts'
parentPort?.postMessage(\`\${word} in a thread\`)
`

/** A small program in the place of ours, between the real `bin/` and the real packages. */
const project = () => {
  const directory = temporaryDirectory()
  cpSync(join(root, 'bin'), join(directory, 'bin'), { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) writeFileSync(join(directory, file), readFileSync(join(root, file)))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  mkdirSync(join(directory, 'src'))
  const write = (file: string, text: string): void => writeFileSync(join(directory, 'src', file), text)
  const node = (file: string): string => execFileSync(process.execPath, [join(directory, file)], { encoding: 'utf8' }).trim()
  write('main.ts', mainFile)
  write('thread.ts', threadFile)
  write('word.ts', `export const word = 'one'\n`)
  return { directory, write, build: () => node('bin/build.js'), start: () => node('bin/intendant.js') }
}

test('a build runs, with its threads, as long as it is one of the sources as they are; then the sources do', () => {
  const { write, build, start } = project()
  expect(start()).toBe('sources: one, one in a thread')
  build()
  expect(start()).toBe('build: one, one in a thread')
  write('word.ts', `export const word = 'two'\n`)
  expect(start()).toBe('sources: two, two in a thread')
  build()
  expect(start()).toBe('build: two, two in a thread')
  write('another.ts', `export const word = 'three'\n`)
  write('word.ts', `export { word } from './another.ts'\n`)
  expect(start()).toBe('sources: three, three in a thread')
})

test('without sources the build is the program', () => {
  const { directory, build, start } = project()
  build()
  const { name } = JSON.parse(readFileSync(join(directory, 'dist/newest.json'), 'utf8')) as { readonly name: string }
  expect(statSync(join(directory, 'dist', name)).mode & 0o777).toBe(0o755)
  rmSync(join(directory, 'src'), { recursive: true })
  expect(start()).toBe('build: one, one in a thread')
})
