import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryDirectory } from '../e2e/harness.ts'

/** Makes Node.js say that it is an old one. */
const asOld = [
  '--import',
  "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})",
]

/** A checkout with nothing but `bin`, and the given file in the place of the project's own Node.js. */
const checkout = (node?: string): string => {
  const root = temporaryDirectory()
  cpSync(fileURLToPath(new URL('../../bin', import.meta.url)), join(root, 'bin'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  if (node === undefined) return root
  const path = join(root, 'node_modules/node/bin/node')
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, node)
  chmodSync(path, 0o755)
  return root
}

const startOld = (root: string, words: readonly string[] = []) =>
  spawnSync(process.execPath, [...asOld, join(root, 'bin/intendant.js'), ...words], { encoding: 'utf8', timeout: 60_000 })

test.each([
  ['is missing', undefined],
  ['does not start', '#!/nowhere/node\n'],
  ['is an old one too', `#!/bin/sh\nexec '${process.execPath}' ${asOld[0]} "${asOld[1]}" "$@"\n`],
])('where the Node.js of the project %s, one sentence says so', (_, node) => {
  const { status, signal, stdout, stderr } = startOld(checkout(node))
  expect({ status, signal, stdout }).toEqual({ status: 1, signal: null, stdout: '' })
  expect(stderr).toMatch(/^intendant: needs Node\.js 24 or newer but this is 20\.20\.2; [^\n]+\n$/)
})

test('an old Node.js starts the one of the project, with the words, and passes on its exit code', () => {
  const root = checkout(`#!/bin/sh\necho "$2 $3"\nexit 5\n`)
  expect(startOld(root, ['operations', 'ls'])).toMatchObject({ status: 5, stdout: 'operations ls\n', stderr: '' })
})

test('a signal to the old one ends the one of the project', async () => {
  const root = checkout(`#!/bin/sh\ntrap 'echo stopped; exit 0' TERM\necho ready\nwhile :; do sleep 0.1; done\n`)
  const child = spawn(process.execPath, [...asOld, join(root, 'bin/intendant.js'), 'serve'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdout.setEncoding('utf8')
  expect(await once(child.stdout, 'data')).toEqual(['ready\n'])
  child.kill('SIGTERM')
  expect(await once(child.stdout, 'data')).toEqual(['stopped\n'])
  expect(await once(child, 'exit')).toEqual([0, null])
})
