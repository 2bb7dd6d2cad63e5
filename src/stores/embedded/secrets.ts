import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { keyEvents } from '../../events/key.ts'
import { messageOf, RevisionConflict, SecretForgotten, Unacceptable, Unavailable } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { isObject } from '../../lib/json.ts'
import type { EventLog } from '../event-log.ts'
import { writeDurably } from '../files/durable-file.ts'
import type { Secrets } from '../secrets.ts'

const algorithm = 'aes-256-gcm'
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const sealedVersion = 'v1'
const keyFile = 'secrets.key'
const ownerOnly = 0o600
/** Two who make the first key of a subject meet once; more meetings mean that it is forgotten as fast as it is made. */
const creationTries = 5

const earlierBackups = 'backups and copies of the log that were made before, until they are deleted'

interface DataKey {
  readonly keyId: string
  readonly key: Buffer
}

/**
 * Envelope encryption: each subject has a data key of its own in `key-<subject>`, wrapped by `masterKey`. Keys are read anew
 * each time, never cached, so that a forgotten subject is unreadable at once. What is sealed is bound to subject and key:
 * moved to another subject it does not open.
 */
export const openSecrets = ({ log, masterKey }: { readonly log: EventLog; readonly masterKey: Buffer }): Secrets => {
  const streamOf = (subject: string): string => `key-${subject}`

  const readKey = async (subject: string): Promise<DataKey | undefined> => {
    for await (const event of log.readStream(streamOf(subject), { from: 'end', backwards: true, limit: 1 })) {
      const { keyId, wrapped } = keyEvents.schemas.KeyCreated.parse(event.data)
      try {
        return { keyId, key: decrypt(masterKey, Buffer.from(wrapped, 'base64url'), bound(subject, keyId)) }
      } catch {
        throw new Unavailable(`the key of ${subject} was wrapped by another master key`)
      }
    }
    return undefined
  }

  const createKey = async (subject: string): Promise<DataKey | undefined> => {
    const keyId = newId()
    const key = randomBytes(keyBytes)
    const wrapped = encrypt(masterKey, key, bound(subject, keyId)).toString('base64url')
    const actor = { principal: 'system', face: null, address: null }
    try {
      await log.append(streamOf(subject), 'noStream', [
        { id: keyId, type: 'KeyCreated', data: { keyId, wrapped }, metadata: { correlationId: keyId, actor, schema: 1 } },
      ])
      return { keyId, key }
    } catch (error) {
      if (error instanceof RevisionConflict) return undefined
      throw error
    }
  }

  const obtainKey = async (subject: string): Promise<DataKey> => {
    for (let attempt = 1; attempt <= creationTries; attempt++) {
      const key = (await readKey(subject)) ?? (await createKey(subject))
      if (key !== undefined) return key
    }
    throw new Unavailable(`no key could be made for ${subject}`)
  }

  return {
    seal: async (subject, clear) => {
      const { keyId, key } = await obtainKey(subject)
      return [sealedVersion, keyId, encrypt(key, Buffer.from(clear, 'utf8'), bound(subject, keyId)).toString('base64url')].join(
        '.',
      )
    },
    open: async (subject, sealed) => {
      const [version, keyId, content, ...rest] = sealed.split('.')
      if (version !== sealedVersion || keyId === undefined || content === undefined || rest.length > 0)
        throw new Unacceptable('this is not a sealed value')
      const known = await readKey(subject)
      // Another key id means: forgotten, and sealed for again since.
      if (known?.keyId !== keyId) throw new SecretForgotten(subject)
      try {
        return decrypt(known.key, Buffer.from(content, 'base64url'), bound(subject, keyId)).toString('utf8')
      } catch {
        throw new Unavailable(`the sealed value was not made for ${subject}, or it was changed`)
      }
    },
    digest: async (subject, clear) => {
      const known = await readKey(subject)
      if (known === undefined) throw new SecretForgotten(subject)
      return createHmac('sha256', known.key).update(`digest\0${clear}`).digest('base64url')
    },
    forget: (subject) => log.forget(streamOf(subject)),
    has: async (subject) => {
      // Another stream of this kind is no subject: the identity of the log.
      for await (const { type } of log.readStream(streamOf(subject), { limit: 1 })) return type === 'KeyCreated'
      return false
    },
    remains: () => [...(log.keepsForgotten === undefined ? [] : [log.keepsForgotten]), earlierBackups],
  }
}

/**
 * The master key: from the setting (32 bytes in hexadecimal, base64 or base64url), or else from a file, `secrets.key` in `directory`
 * unless another one is named, which is made (0600) when it is missing. Throws `Unacceptable` for a malformed key, `Unavailable` when the file cannot be
 * used: a new key in place of an unreadable one would lose every secret.
 */
export const loadMasterKey = ({
  directory,
  file: named,
  fromSetting,
}: {
  readonly directory: string
  readonly file?: string | undefined
  readonly fromSetting?: string | undefined
}): Buffer => {
  if (fromSetting !== undefined) return decodeKey(fromSetting.trim(), 'SECRETS_KEY')
  const file = named ?? join(directory, keyFile)
  try {
    const stored = readIfThere(file)
    if (stored !== undefined) {
      // Who mounted a file of theirs gave it the mode that they want.
      if (named === undefined) chmodSync(file, ownerOnly)
      return decodeKey(stored, file)
    }
    try {
      writeDurably(file, `${randomBytes(keyBytes).toString('base64')}\n`, { mode: ownerOnly, replace: false })
    } catch (error) {
      // Another process was faster: its key is the key.
      if (!hasCode(error, 'EEXIST')) throw error
    }
    return decodeKey(readFileSync(file, 'utf8').trim(), file)
  } catch (error) {
    if (error instanceof Unacceptable) throw error
    throw new Unavailable(`the key file ${file} cannot be used: ${messageOf(error)}`)
  }
}

const readIfThere = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

const hasCode = (error: unknown, code: string): boolean => isObject(error) && error.code === code

const decodeKey = (text: string, source: string): Buffer => {
  const encoding = /^[0-9a-f]{64}$/i.test(text) ? 'hex' : /^[\w+/-]{43}=?$/.test(text) ? 'base64' : undefined
  const key = encoding === undefined ? undefined : Buffer.from(text, encoding)
  if (key?.length !== keyBytes) throw new Unacceptable(`${source} holds no key of ${keyBytes} bytes in hexadecimal or base64`)
  return key
}

const bound = (subject: string, keyId: string): Buffer => Buffer.from(`${keyId}\0${subject}`, 'utf8')

/** Nonce, tag, ciphertext. */
const encrypt = (key: Buffer, clear: Buffer, associated: Buffer): Buffer => {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(associated)
  const content = Buffer.concat([cipher.update(clear), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), content])
}

/** Throws when key, associated data or content are not those of the encryption. */
const decrypt = (key: Buffer, sealed: Buffer, associated: Buffer): Buffer => {
  const nonce = sealed.subarray(0, nonceBytes)
  const tag = sealed.subarray(nonceBytes, nonceBytes + tagBytes)
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(associated).setAuthTag(tag)
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()])
}
