import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { algorithmsWith, oldAlgorithms } from '../../../src/commands/clusters/ssh-algorithms.ts'

/** ssh2's own lists. */
const lists: Readonly<Record<string, readonly string[]>> = createRequire(import.meta.url)('ssh2/lib/protocol/constants.js')

const isSha1 = (name: string): boolean => /sha1|^ssh-rsa$/.test(name)

test("what is offered are ssh2's lists less SHA-1", () => {
  const { kex, serverHostKey, cipher, hmac } = algorithmsWith([])
  const expected = (name: string) => lists[name]?.filter((algorithm) => !isSha1(algorithm))
  expect({ kex, serverHostKey, hmac }).toEqual({
    kex: expected('DEFAULT_KEX'),
    serverHostKey: expected('DEFAULT_SERVER_HOST_KEY'),
    hmac: expected('DEFAULT_MAC'),
  })
  expect(new Set(cipher as string[])).toEqual(new Set(lists.DEFAULT_CIPHER))
})

test('ssh2 knows all that may be added', () => {
  const { kex, serverHostKey, cipher, hmac } = algorithmsWith(oldAlgorithms) as Record<string, readonly string[]>
  expect(lists.SUPPORTED_KEX).toEqual(expect.arrayContaining([...(kex ?? [])]))
  expect(lists.SUPPORTED_SERVER_HOST_KEY).toEqual(expect.arrayContaining([...(serverHostKey ?? [])]))
  expect(lists.SUPPORTED_CIPHER).toEqual(expect.arrayContaining([...(cipher ?? [])]))
  expect(lists.SUPPORTED_MAC).toEqual(expect.arrayContaining([...(hmac ?? [])]))
})
