import { sha256 } from '../../../lib/ids.ts'
import { sentCredentials } from '../../../stores/credentials/authorization-header.ts'
import type { Authenticator } from './authenticator.ts'
import type { Remote } from './remote.ts'

/** A token has no name of its own; this tells one from another, and does not give it away. */
export const nameOfToken = (token: string): string => sha256(token).slice(0, 16)

/** `openshiftbearertokenauth`: another server says of each token whether it is right. */
export const bearerAuthenticator =
  (remote: Remote, url: string): Authenticator =>
  async ({ headers }) => {
    const sent = sentCredentials(headers.authorization)
    if (sent?.scheme !== 'bearer') return undefined
    const answer = await remote({ url, headers: { Authorization: `Bearer ${sent.token}` } })
    return answer?.status === 200 ? nameOfToken(sent.token) : undefined
  }
