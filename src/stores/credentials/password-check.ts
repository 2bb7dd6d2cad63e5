import { compare } from 'bcryptjs'
import { LRUCache } from 'lru-cache'
import { Unavailable } from '../../lib/errors.ts'

const verifiedForMs = 60_000
const verifiedMost = 1_000
/** Passwords that wait for their comparison, each a good part of a second. */
const longestLine = 32

/**
 * Whether a password has the stored hash; `proof` is a hash of user, password and stored hash, and what was right is remembered under it:
 * bcrypt is slow by intent, requests are not. One comparison runs at a time, so that a flood of passwords does not hold up all requests. The
 * same question in the line is asked once. Throws `Unavailable` where the line is too long.
 */
export const createPasswordCheck = (): ((proof: string, password: string, hash: string) => Promise<boolean>) => {
  const verified = new LRUCache<string, true>({ max: verifiedMost, ttl: verifiedForMs })
  const line = new Map<string, Promise<boolean>>()
  let lastTurn: Promise<unknown> = Promise.resolve()

  const compareInTurn = (proof: string, password: string, hash: string): Promise<boolean> => {
    const waiting = line.get(proof)
    if (waiting !== undefined) return waiting
    if (line.size >= longestLine) throw new Unavailable('too many passwords are being checked')
    const turn = lastTurn.then(() => compare(password, hash)).finally(() => line.delete(proof))
    line.set(proof, turn)
    lastTurn = turn.catch(() => undefined)
    return turn
  }

  return async (proof, password, hash) => {
    if (verified.has(proof)) return true
    const isRight = await compareInTurn(proof, password, hash)
    if (isRight) verified.set(proof, true)
    return isRight
  }
}
