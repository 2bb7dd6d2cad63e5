import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { runCommand, startServer, temporaryDirectory } from './harness.ts'

const run = promisify(execFile)

/** Commands and answers of the code blocks below a heading. */
const blocksOf = (file: string, heading: string): readonly { readonly command: string; readonly answer: string }[] => {
  const section =
    readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
      .split(`## ${heading}\n`)[1]
      ?.split(/^## /m)[0] ?? ''
  return [...section.matchAll(/^```\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = '']) => block.split(/^\$ /m).slice(1))
    .map((text) => {
      const [command = '', ...answer] = text.trimEnd().split('\n')
      return { command, answer: answer.join('\n') }
    })
}

test('the examples of docs/operations.md answer as they say', async () => {
  const directory = temporaryDirectory()
  const file = (name: string): string => `${directory}/${name}`
  let port = ''
  let dataDir: string | undefined
  const inDirectory = (text: string): string => text.replaceAll(/\b([a-z0-9-]+\.(?:pem|key))\b/g, (name) => file(name))
  for (const { command, answer } of blocksOf('docs/operations.md', 'TLS and proxies')) {
    const all = [...inDirectory(command).matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? '')
    const words = all.slice(all.findIndex((word) => !/^[A-Z_]+=/.test(word))).map((word) => word.replace(':8443', `:${port}`))
    const env = Object.fromEntries(all.slice(0, all.length - words.length).map((word) => word.split('=') as [string, string]))
    if (command.includes('intendant.js serve')) {
      const shared = dataDir === undefined ? {} : { CREDENTIALS_FILE: `${dataDir}/credentials.json` }
      const server = await startServer({ env: { ...env, ...shared, TLS_PORT: '0' } })
      port = /https:\/\/[^:"]+:(\d+)/.exec(server.output())?.[1] ?? ''
      expect(port).not.toBe('')
    } else if (command.includes('npx intendant credentials')) {
      dataDir = file('data')
      expect(await runCommand([...words.slice(2), '--data-dir', dataDir])).toMatchObject({ code: 0 })
    } else if (command.includes('npx intendant')) {
      expect(await runCommand(words.slice(2), { env })).toMatchObject({ code: 0 })
      // Each server of the test has a port of its own: none has to be ended for the next one.
    } else if (words[0] !== 'kill') {
      const [program = '', ...rest] = words
      const { stdout } = await run(program, program === 'curl' ? ['--silent', '--show-error', ...rest] : rest)
      expect(stdout.trimEnd()).toBe(answer)
    }
  }
  expect(port).not.toBe('')
})

test('a key that does not fit ends the start with a sentence', async () => {
  const directory = temporaryDirectory()
  const make = async (name: string): Promise<void> => {
    const files = ['-keyout', `${directory}/${name}.key`, '-out', `${directory}/${name}.pem`]
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, ...files])
  }
  await make('one')
  await make('two')
  const env = { TLS_PORT: '0', TLS_CERT_FILE: `${directory}/one.pem`, TLS_KEY_FILE: `${directory}/two.key` }
  const { code, stderr } = await runCommand(['serve', '--port', 'off', '--data-dir', `${directory}/data`], { env })
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /^[^\n]*the key in \S+two\.key \(TLS_KEY_FILE\) is not that of the certificate in \S+ \(TLS_CERT_FILE\)\n$/,
  )
  expect((await runCommand(['serve', '--port', 'off', '--data-dir', `${directory}/data`])).code).toBe(2)
})
