import { createHmac } from 'node:crypto'
import { beforeEach, expect, test } from 'vitest'
import { createServiceSecrets, type ServiceSecrets } from '../../../src/commands/robot/service-secrets.ts'
import { SecretForgotten } from '../../../src/lib/errors.ts'

/** One key for each subject; another one after each time it was forgotten. */
const createKeys = () => {
  let keys = 0
  let key: string | undefined
  return {
    seal: async () => {
      key ??= `key ${++keys}`
      return ''
    },
    digest: async (subject: string, clear: string) => {
      if (key === undefined) throw new SecretForgotten(subject)
      return createHmac('sha256', key).update(clear).digest('base64url')
    },
    forget: () => {
      key = undefined
    },
  }
}

let keys: ReturnType<typeof createKeys>
let secrets: ServiceSecrets
beforeEach(() => {
  keys = createKeys()
  secrets = createServiceSecrets(keys)
})

const guid = '4ae7b7c8-16a2-4bc6-9b4c-8c39f9a6a4e8'
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const read = (token: string, index: number): unknown =>
  JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString())

test('the secret of a service is an HS256 token with exactly its guid, always the same one', async () => {
  const secret = await secrets.secretOf(guid)
  expect(read(secret, 0)).toEqual({ alg: 'HS256', typ: 'JWT' })
  expect(read(secret, 1)).toEqual({ service_guid: guid })
  expect(await secrets.secretOf(guid)).toBe(secret)
  expect(await createServiceSecrets(keys).secretOf(guid)).toBe(secret)
})

test('tokens open their services, and the god token says that it is one', async () => {
  const tokens = [await secrets.secretOf(guid), 'nonsense', await secrets.secretOf('other')]
  expect(await secrets.open(tokens)).toEqual({ isGod: false, guids: new Set([guid, 'other']) })
  const god = await secrets.godToken()
  expect(read(god, 1)).toEqual({ authentication: 'god_token' })
  expect(await secrets.open([god])).toEqual({ isGod: true, guids: new Set() })
  expect(await secrets.open([])).toEqual({ isGod: false, guids: new Set() })
})

test('nothing else opens anything', async () => {
  const [header = '', payload = '', signature = ''] = (await secrets.secretOf(guid)).split('.')
  const none = part({ alg: 'none', typ: 'JWT' })
  const forged = [
    `${header}.${payload}.`,
    `${header}.${payload}`,
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
    `${header}.${part({ service_guid: 'other' })}.${signature}`,
    `${header}.${part({ authentication: 'god_token' })}.${signature}`,
    `${header}.${payload}.${signature}.`,
    `${header}.${payload}.${signature.slice(1)}`,
    `${header}.${part({ service_guid: guid, more: 1 })}.${signature}`,
    `${header}.%%%.${signature}`,
    `${header}.${part(null)}.${signature}`,
  ]
  expect(await secrets.open(forged)).toEqual({ isGod: false, guids: new Set() })
})

test('a forgotten key opens nothing more', async () => {
  const before = await secrets.secretOf(guid)
  keys.forget()
  expect(await secrets.open([before])).toEqual({ isGod: false, guids: new Set() })
  const after = await secrets.secretOf(guid)
  expect(after).not.toBe(before)
  expect((await secrets.open([before, after])).guids).toEqual(new Set([guid]))
})
