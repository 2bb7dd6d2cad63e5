import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { readPrivateKey } from '../../../../src/workers/clusters/ssh/private-key.ts'
import { quoted, writeTo } from '../../../../src/workers/clusters/ssh/shell.ts'
import { makeKeyPair, noSshd, openSshd, remoteUser, type SshdHost } from '../../../engines/sshd.ts'
import { at, run, session, ssh } from './tools.ts'

if (noSshd !== undefined) console.warn(`skipped: ${noSshd}`)

describe.skipIf(noSshd !== undefined)('a real sshd', () => {
  let host: SshdHost
  const me = () => at(host, { user: remoteUser, key: readPrivateKey(host.key.base64) })
  beforeAll(async () => {
    host = await openSshd()
  })
  afterAll(() => host.close())

  test('runs a command and gives its output and exit code', async () => {
    const opened = await session(me())
    expect(await run(opened, 'echo out; echo err >&2; exit 3')).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' })
    expect(await run(opened, 'kill -KILL $$')).toMatchObject({ exitCode: null, signal: 'SIGKILL' })
    expect(opened.fingerprint).toMatch(/^SHA256:[\w+/]{43}$/)
  })

  test('writes a file with its content on standard input, whatever it holds', async () => {
    const opened = await session(me())
    const content = `it's "quoted" $(id) \\ ü\n`.repeat(10_000)
    expect(await run(opened, writeTo('/etc/some file'), { stdin: content })).toMatchObject({ exitCode: 0 })
    expect(host.read('/etc/some file')).toBe(content)
  })

  test('quotes what must not become shell text', async () => {
    const opened = await session(me())
    const word = `'; touch ${host.address} #\`$(id)\`\n"x"`
    expect(await run(opened, `printf %s ${quoted(word)}`)).toMatchObject({ exitCode: 0, stdout: word })
  })

  test('has its own programs and files', async () => {
    const opened = await session(me())
    expect(await run(opened, 'cat /etc/os-release && nproc --all')).toMatchObject({
      stdout: expect.stringMatching(/ID="fedora"[\s\S]*\n4\n$/),
    })
    expect(host.calls()).toContain('nproc --all')
  })

  test('does not let a stranger in', async () => {
    const stranger = { ...me(), key: readPrivateKey(makeKeyPair().base64) }
    await expect(ssh().connect(stranger)).rejects.toMatchObject({ reason: 'auth-refused' })
  })

  test('with another host key is refused, unless that is allowed', async () => {
    const changing = await openSshd({ key: host.key })
    onTestFinished(() => changing.close())
    const target = at(changing, { user: remoteUser, key: readPrivateKey(host.key.base64) })
    const { fingerprint } = await session(target)
    await session({ ...target, knownFingerprint: fingerprint })
    await changing.changeHostKey()
    const known = { ...target, knownFingerprint: fingerprint }
    await expect(ssh().connect(known)).rejects.toMatchObject({
      reason: 'host-key-changed',
      fingerprint: expect.stringMatching(/^SHA256:/),
    })
    const accepted = await session(known, { acceptsChangedKeys: true })
    expect(accepted.fingerprint).not.toBe(fingerprint)
  })

  test('that goes away in the middle of a command fails it', async () => {
    const going = await openSshd({ key: host.key })
    onTestFinished(() => going.close())
    const opened = await session(at(going, { user: remoteUser, key: readPrivateKey(host.key.base64) }))
    const { promise: begun, resolve: begins } = Promise.withResolvers<void>()
    const pipe = async (source: AsyncIterable<Buffer>): Promise<void> => {
      for await (const _ of source) begins()
    }
    const running = opened.exec('echo begun; exec sleep 60', { timeLimitMs: 60_000, pipe })
    running.catch(() => undefined)
    await begun
    going.stop()
    await expect(running).rejects.toMatchObject({ reason: 'lost' })
  })
})
