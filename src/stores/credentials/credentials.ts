import { timingSafeEqual } from 'node:crypto'
import { hash as hashPassword, truncates } from 'bcryptjs'
import { z } from 'zod'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { messageOf, Unacceptable, Unavailable } from '../../lib/errors.ts'
import { randomToken, sha256 } from '../../lib/ids.ts'
import { writeDurably } from '../files/durable-file.ts'
import { createWatchedFile } from '../files/watched-file.ts'
import { sentCredentials } from './authorization-header.ts'
import { createPasswordCheck } from './password-check.ts'

/** An authenticated client. */
export interface Principal {
  readonly name: string
  readonly scopes: readonly string[]
}

/** A credential as it may be shown: without what proves it. */
export interface CredentialEntry extends Principal {
  readonly kind: 'token' | 'password' | 'client-certificate'
  /** CN of the certificate, where that is the kind. */
  readonly clientCn?: string
}

export interface NewCredential {
  /** 1 to 100 characters without a colon: the user of Basic, too. */
  readonly name: string
  /** `*`, or `<area>:read` and `<area>:write`. */
  readonly scopes: readonly string[]
  /** For a user with a password (at most 72 bytes); without it a token is made. */
  readonly password?: string
  /** For a client whose certificate has this CN, 1 to 64 visible characters; then there is neither token nor password. */
  readonly clientCn?: string
}

/** Who may use the server. Source: native contract, section 5. */
export interface Credentials {
  /** Whether anybody must be known. Once true it stays true for this process: a lost file opens nothing. */
  configured(): boolean
  /**
   * The principal of an `Authorization` header: `Bearer <token>`, or Basic with a user's password or a token in its place.
   * Null for everyone else. Throws `Unavailable` while the file cannot be read or is malformed: nobody is let in on a guess.
   */
  authenticate(header: string | undefined): Promise<Principal | null>
  /** The principal of a client certificate that was verified, by the CN of its subject. Null and `Unavailable` as with `authenticate`. */
  byCertificate(commonName: string | null): Principal | null
  /**
   * Whether a principal would be let in again as it is: its credential is neither removed nor changed. `principal` is what
   * `authenticate` gave; any other object stands for a caller who came while nothing was configured.
   */
  isCurrent(principal: Principal): boolean
  /** Durable when it resolves; `token` is shown this once, only its hash is kept. Throws `Unacceptable` (also: a name in use). */
  add(credential: NewCredential): Promise<{ readonly token: string | null }>
  list(): readonly CredentialEntry[]
  /** False where there is no such name. */
  remove(name: string): boolean
}

const scopePattern = /^(\*|[a-z0-9][a-z0-9-]*:(read|write))$/
/** Visible to the last character, and no colon, which ends the user's name in Basic. */
const namePattern = /^[^\p{C}:\s][^\p{C}:]{0,99}$/u

/** As X.520 bounds a common name. */
const commonNamePattern = /^[^\p{C}]{1,64}$/u

const Entry = z.strictObject({
  name: z.string().regex(namePattern),
  scopes: z.array(z.string().regex(scopePattern)),
  /** SHA-256 of the token, hexadecimal. Tokens are random, so a fast hash is enough. */
  token: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  /** bcrypt hash of the password. */
  password: z
    .string()
    .regex(/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/)
    .optional(),
  /** CN of a client certificate. */
  clientCn: z.string().regex(commonNamePattern).optional(),
})
type Entry = z.infer<typeof Entry>
const CredentialsFile = z.strictObject({ version: z.literal(1), credentials: z.array(Entry) })

const ownerOnly = 0o600
const tokenBytes = 32
const bcryptCost = 10
/** No password has this hash: it is compared where the user is unknown, so that the time of the answer tells nothing. */
const nobodysHash = '$2b$10$abcdefghijklmnopqrstuuGHdSI0zY.bGrJDiZ.eIFLvBiv39mQmq'

/** Whether a principal holds a scope: itself, the `write` above a `read`, or `*`. */
export const allows = ({ scopes }: Principal, scope: string): boolean =>
  scopes.includes('*') || scopes.includes(scope) || (scope.endsWith(':read') && scopes.includes(scope.replace(/read$/, 'write')))

/**
 * Credentials in a JSON file (0600), read again when it changes: looked at when the system tells of a change, once a second at most
 * without that, and before somebody is turned away. Throws `Unavailable` when the file is there but cannot be read or understood.
 */
export const openCredentials = (file: string, { clock = systemClock }: { readonly clock?: Clock } = {}): Credentials => {
  /** What each principal that was let in is, and what all credentials are now. */
  const proofs = new WeakMap<Principal, string>()
  let marks: ReadonlySet<string> = new Set()
  let entries: readonly Entry[] = []
  let fault: string | undefined
  let everConfigured = false
  const isRight = createPasswordCheck()

  const watched = createWatchedFile({
    file,
    clock,
    changed: (text) => {
      try {
        entries = text === undefined ? [] : parse(text())
        fault = undefined
      } catch (error) {
        entries = []
        fault = `the credentials file ${file} cannot be used: ${messageOf(error)}`
      }
      marks = new Set(entries.map(markOfEntry))
      everConfigured ||= entries.length > 0 || fault !== undefined
    },
  })
  const refresh = watched.look
  const refreshInTime = watched.lookInTime

  const current = (look = refresh): readonly Entry[] => {
    look()
    if (fault !== undefined) throw new Unavailable(fault)
    return entries
  }

  const byToken = (token: string, among: readonly Entry[]): Entry | undefined => {
    const digest = Buffer.from(sha256(token), 'hex')
    // All hashes are compared, so that the time does not tell which one matches.
    return among.filter((entry) => entry.token !== undefined && timingSafeEqual(digest, Buffer.from(entry.token, 'hex')))[0]
  }

  const byPassword = async (name: string, password: string, among: readonly Entry[]): Promise<Entry | undefined> => {
    const entry = among.find((candidate) => candidate.name === name)
    if (entry?.token !== undefined && byToken(password, [entry]) !== undefined) return entry
    if (!among.some((candidate) => candidate.password !== undefined) || truncates(password)) return undefined
    const stored = entry?.password ?? nobodysHash
    const proof = sha256(JSON.stringify([name, password, stored]))
    return (await isRight(proof, password, stored)) && entry?.password !== undefined ? entry : undefined
  }

  /** Who proves to be one of `known`. */
  const recognise = async (header: string | undefined, known: readonly Entry[]): Promise<Principal | null> => {
    const sent = sentCredentials(header)
    if (sent === undefined) return null
    return shown(sent.scheme === 'bearer' ? byToken(sent.token, known) : await byPassword(sent.user, sent.password, known))
  }

  const shown = (entry: Entry | undefined): Principal | null => {
    if (entry === undefined) return null
    const principal = { name: entry.name, scopes: entry.scopes }
    proofs.set(principal, markOfEntry(entry))
    return principal
  }

  const save = (next: readonly Entry[]): void => {
    try {
      writeDurably(file, `${JSON.stringify({ version: 1, credentials: next }, null, 2)}\n`, { mode: ownerOnly })
    } catch (error) {
      throw new Unavailable(`the credentials file ${file} cannot be written: ${messageOf(error)}`)
    }
    refresh()
  }

  current()

  return {
    configured: () => {
      refreshInTime()
      return everConfigured
    },
    authenticate: async (header) => {
      const known = current(refreshInTime)
      const found = await recognise(header, known)
      if (found !== null || header === undefined) return found
      // A credential that was added a moment ago is accepted.
      const now = current()
      return now === known ? null : recognise(header, now)
    },
    byCertificate: (commonName) => {
      if (commonName === null) return null
      const find = (known: readonly Entry[]): Entry | undefined => known.find(({ clientCn }) => clientCn === commonName)
      return shown(find(current(refreshInTime)) ?? find(current()))
    },
    isCurrent: (principal) => {
      refreshInTime()
      const proof = proofs.get(principal)
      return proof === undefined ? !everConfigured : marks.has(proof)
    },
    add: async ({ name, scopes, password, clientCn }) => {
      if (!namePattern.test(name))
        throw new Unacceptable(`"${name}" is not a name: use 1 to 100 visible characters without a colon`)
      const wrong = scopes.find((scope) => !scopePattern.test(scope))
      if (wrong !== undefined) throw new Unacceptable(`"${wrong}" is not a scope: use *, <area>:read or <area>:write`)
      if (scopes.length === 0) throw new Unacceptable('a credential needs at least one scope')
      if (password !== undefined && (password === '' || truncates(password)))
        throw new Unacceptable('a password has 1 to 72 bytes')
      if (clientCn !== undefined && !commonNamePattern.test(clientCn))
        throw new Unacceptable(`"${clientCn}" is not a CN of a certificate: use 1 to 64 visible characters`)
      if (clientCn !== undefined && password !== undefined)
        throw new Unacceptable('a credential has a password or a client certificate, not both')
      const token = password === undefined && clientCn === undefined ? randomToken(tokenBytes) : null
      const proof = {
        ...(password === undefined ? {} : { password: await hashPassword(password, bcryptCost) }),
        ...(clientCn === undefined ? {} : { clientCn }),
        ...(token === null ? {} : { token: sha256(token) }),
      }
      // Looked at only now, because hashing took its time and there must be no wait between reading and writing.
      const known = current()
      if (known.some((entry) => entry.name === name)) throw new Unacceptable(`a credential named "${name}" already exists`)
      if (clientCn !== undefined && known.some((entry) => entry.clientCn === clientCn))
        throw new Unacceptable(`a credential for client certificates of "${clientCn}" already exists`)
      save([...known, { name, scopes: [...new Set(scopes)], ...proof }])
      return { token }
    },
    list: () => current().map(entryOf),
    remove: (name) => {
      const known = current()
      const rest = known.filter((entry) => entry.name !== name)
      if (rest.length === known.length) return false
      save(rest)
      return true
    },
  }
}

/** What tells one credential from another, and from itself with other scopes or another proof. */
const markOfEntry = ({ name, scopes, token, password, clientCn }: Entry): string =>
  JSON.stringify([name, scopes, token, password, clientCn])

const entryOf = ({ name, scopes, token, clientCn }: Entry): CredentialEntry =>
  clientCn === undefined
    ? { name, scopes, kind: token === undefined ? 'password' : 'token' }
    : { name, scopes, kind: 'client-certificate', clientCn }

const parse = (text: string): readonly Entry[] => {
  const { credentials } = CredentialsFile.parse(JSON.parse(text))
  if (new Set(credentials.map(({ name }) => name)).size < credentials.length)
    throw new Unacceptable('a member name is used twice')
  const commonNames = credentials.flatMap(({ clientCn }) => clientCn ?? [])
  if (new Set(commonNames).size < commonNames.length) throw new Unacceptable('a member clientCn is used twice')
  return credentials
}
