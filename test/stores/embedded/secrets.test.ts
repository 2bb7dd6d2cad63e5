import { randomBytes } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { SecretForgotten, Unacceptable, Unavailable } from '../../../src/lib/errors.ts'
import { openEmbeddedLog } from '../../../src/stores/embedded/log.ts'
import { loadMasterKey, openSecrets } from '../../../src/stores/embedded/secrets.ts'
import { all } from '../../contracts/event-log-tools.ts'
import { temporaryDirectory } from '../temporary.ts'

const open = async () => {
  const log = await openEmbeddedLog({ path: ':memory:', clock: systemClock })
  onTestFinished(() => log.close())
  return { log, secrets: openSecrets({ log, masterKey: randomBytes(32) }) }
}

describe('secrets', () => {
  test('what was sealed opens for its subject, whatever it is', async () => {
    const { secrets } = await open()
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
        fc.constantFrom('operation-1', 'host 2', 'ä'),
        async (clear, subject) => {
          const sealed = await secrets.seal(subject, clear)
          expect(await secrets.open(subject, sealed)).toBe(clear)
        },
      ),
      { numRuns: 50 },
    )
  })

  test('the same text never looks the same, and neither text nor key shows anywhere', async () => {
    const { log, secrets } = await open()
    const [one, two] = [await secrets.seal('a', 'the text'), await secrets.seal('a', 'the text')]
    expect(one).not.toBe(two)
    expect(one).toMatch(/^[\w.-]+$/)
    const keys = await all(log.readStream('key-a'))
    expect(keys.map(({ type }) => type)).toEqual(['KeyCreated'])
    expect(JSON.stringify([keys, one])).not.toContain('the text')
    expect(await all(log.readAll())).toEqual([])
  })

  test('many who seal first for one subject share its key', async () => {
    const { log, secrets } = await open()
    const sealed = await Promise.all(Array.from({ length: 20 }, (_, n) => secrets.seal('a', `text ${n}`)))
    expect(await all(log.readStream('key-a'))).toHaveLength(1)
    expect(await Promise.all(sealed.map((text) => secrets.open('a', text)))).toEqual(sealed.map((_, n) => `text ${n}`))
  })

  test('a forgotten subject stays unreadable, also after new secrets were sealed for it', async () => {
    const { secrets } = await open()
    const [old, other] = [await secrets.seal('a', 'old'), await secrets.seal('b', 'other')]
    await secrets.forget('a')
    await expect(secrets.open('a', old)).rejects.toThrow(SecretForgotten)
    const fresh = await secrets.seal('a', 'fresh')
    await expect(secrets.open('a', old)).rejects.toThrow(/forgotten/)
    expect(await secrets.open('a', fresh)).toBe('fresh')
    expect(await secrets.open('b', other)).toBe('other')
    await secrets.forget('never there')
  })

  test('another master key, another subject or a changed text open nothing', async () => {
    const { log, secrets } = await open()
    const [sealed] = [await secrets.seal('a', 'text'), await secrets.seal('b', 'text')]
    const stranger = openSecrets({ log, masterKey: randomBytes(32) })
    await expect(stranger.open('a', sealed)).rejects.toThrow(/another master key/)
    await expect(stranger.seal('a', 'more')).rejects.toThrow(Unavailable)
    await expect(secrets.open('b', sealed)).rejects.toThrow(SecretForgotten)
    const [version, keyId, content = ''] = sealed.split('.')
    const bytes = Buffer.from(content, 'base64url')
    for (const index of bytes.keys()) {
      const changed = Buffer.from(bytes)
      changed[index] = (changed[index] ?? 0) ^ 1
      await expect(secrets.open('a', [version, keyId, changed.toString('base64url')].join('.'))).rejects.toThrow(Unavailable)
    }
    await expect(secrets.open('a', [version, keyId, ''].join('.'))).rejects.toThrow(Unavailable)
    await expect(secrets.open('a', 'no such thing')).rejects.toThrow(Unacceptable)
  })
})

describe('the master key', () => {
  test('is made once, for its owner only, and found again', () => {
    const directory = join(temporaryDirectory(), 'data')
    const key = loadMasterKey({ directory })
    expect(key).toHaveLength(32)
    expect(statSync(join(directory, 'secrets.key')).mode & 0o777).toBe(0o600)
    expect(loadMasterKey({ directory }).equals(key)).toBe(true)
    expect(readdirSync(directory)).toEqual(['secrets.key'])
    chmodSync(join(directory, 'secrets.key'), 0o644)
    loadMasterKey({ directory })
    expect(statSync(join(directory, 'secrets.key')).mode & 0o777).toBe(0o600)
  })

  test('comes from the setting in hexadecimal or base64, and then no file is made', () => {
    const directory = temporaryDirectory()
    const key = randomBytes(32)
    for (const encoding of ['hex', 'base64', 'base64url'] as const)
      expect(loadMasterKey({ directory, fromSetting: key.toString(encoding) }).equals(key)).toBe(true)
    for (const wrong of ['', 'short', randomBytes(31).toString('hex'), randomBytes(33).toString('base64')])
      expect(() => loadMasterKey({ directory, fromSetting: wrong })).toThrow(Unacceptable)
    expect(readdirSync(directory)).toEqual([])
  })

  test('a file that several nodes share: the first one makes it, its mode is its owner’s affair', () => {
    const file = join(temporaryDirectory(), 'shared.key')
    const key = loadMasterKey({ directory: temporaryDirectory(), file })
    chmodSync(file, 0o440)
    expect(loadMasterKey({ directory: temporaryDirectory(), file }).equals(key)).toBe(true)
    expect(statSync(file).mode & 0o777).toBe(0o440)
  })

  test('is never replaced where its file is damaged', () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'secrets.key'), 'torn')
    expect(() => loadMasterKey({ directory })).toThrow(Unacceptable)
    expect(readFileSync(join(directory, 'secrets.key'), 'utf8')).toBe('torn')
  })
})
