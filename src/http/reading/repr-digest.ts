import { Problem } from '../replies/problem.ts'

/** A member of the dictionary (RFC 8941) with a byte sequence: `sha-256=:<base64>:`, perhaps with parameters. */
const member = /^([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):\s*(?:;.*)?$/
const sha256Bytes = 32

/**
 * The SHA-256 that `Repr-Digest` (RFC 9530) names, in lower-case hexadecimal digits; undefined where it names none: other algorithms are passed
 * over. Throws the problem `invalid` where the header is malformed.
 */
export const expectedDigest = (header: string | undefined): string | undefined => {
  let digest: string | undefined
  for (const part of header?.split(',') ?? []) {
    const [, algorithm, value] = member.exec(part.trim()) ?? []
    if (algorithm === undefined || value === undefined) throw malformed()
    if (algorithm !== 'sha-256') continue
    const bytes = Buffer.from(value, 'base64')
    if (bytes.length !== sha256Bytes) throw malformed()
    digest = bytes.toString('hex')
  }
  return digest
}

const malformed = (): Problem => new Problem('invalid', 'Repr-Digest is malformed; it must be like sha-256=:<base64>:')

/** The header that names a SHA-256. */
export const reprDigest = (sha256: string): string => `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`
