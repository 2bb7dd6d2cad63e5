import { sentCredentials } from '../../../stores/credentials/authorization-header.ts'
import { headerOf } from '../../faces/arrival.ts'
import type { Authenticator } from './authenticator.ts'
import { nameOfToken } from './bearer.ts'
import type { Remote } from './remote.ts'

/** Whether Keystone makes a token of what proves an identity, which is all that it is asked for. */
const isKnown = async (remote: Remote, url: string, identity: object): Promise<boolean> => {
  const answer = await remote({ url, headers: {}, body: { auth: { identity } } })
  return answer?.header('X-Subject-Token') !== undefined
}

/** `keystonepassword`: users of one of Keystone's domains, with Basic. */
export const keystonePasswordAuthenticator =
  (remote: Remote, { url, domain }: { readonly url: string; readonly domain: string }): Authenticator =>
  async ({ headers }) => {
    const sent = sentCredentials(headers.authorization)
    if (sent?.scheme !== 'basic') return undefined
    const user = { name: sent.user, password: sent.password, domain: { name: domain } }
    return (await isKnown(remote, url, { methods: ['password'], password: { user } })) ? sent.user : undefined
  }

/** `keystonetoken`: tokens that Keystone has made. */
export const keystoneTokenAuthenticator =
  (remote: Remote, url: string): Authenticator =>
  async (c) => {
    const token = headerOf(c, 'x-auth-token')
    if (token === undefined || token === '') return undefined
    return (await isKnown(remote, url, { methods: ['token'], token: { id: token } })) ? nameOfToken(token) : undefined
  }
