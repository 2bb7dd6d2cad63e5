import type { Users } from '../../../commands/clusters/users.ts'
import { sha256 } from '../../../lib/ids.ts'
import { sentCredentials } from '../../../stores/credentials/authorization-header.ts'
import { createPasswordCheck } from '../../../stores/credentials/password-check.ts'
import type { Authenticator } from './authenticator.ts'

/**
 * `httpbasicauth`: users whose bcrypt hashes are known here, by the first of `sources` that knows the user. A password counts up to its 72nd byte,
 * as for all of bcrypt.
 */
export const usersAuthenticator = (sources: () => readonly Users[]): Authenticator => {
  const isRight = createPasswordCheck()
  return async ({ headers }) => {
    const sent = sentCredentials(headers.authorization)
    if (sent?.scheme !== 'basic') return undefined
    const { user, password } = sent
    const known = sources()
    const own = known.find((users) => users.has(user))?.get(user)
    // For a user who is unknown another's hash is compared, so that the time of the answer tells nothing.
    const [hash] = own === undefined ? known.flatMap((users) => users.values().take(1).toArray()) : [own]
    if (hash === undefined) return undefined
    const proof = sha256(JSON.stringify([user, password, hash]))
    return (await isRight(proof, password, hash)) && own !== undefined ? user : undefined
  }
}
