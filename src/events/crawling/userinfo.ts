import { secretMask } from '../sealed.ts'
import { withScheme } from './domain-key.ts'

/** An address without the `user:password` that stood in it; `userinfo` is empty where there was none. */
export interface SplitAddress {
  readonly url: string
  /** As it was written, escapes included. */
  readonly userinfo: string
}

/** Takes user and password out of an address. An address without them comes back as it was written. */
export const splitUserinfo = (url: string): SplitAddress => {
  if (!url.includes('@')) return { url, userinfo: '' }
  const address = URL.parse(withScheme(url))
  if (address === null) return { url: maskUserinfo(url), userinfo: '' }
  // `user:password@host` is read as a scheme and a path: nobody can fetch it, and it is shown.
  if (address.host === '') return { url: maskUserinfo(url.replace(unfetchable, `$1${secretMask}@`)), userinfo: '' }
  const { username, password } = address
  if (username === '' && password === '') return { url, userinfo: '' }
  address.username = ''
  address.password = ''
  return { url: address.href, userinfo: password === '' ? username : `${username}:${password}` }
}

const unfetchable = /^([^:/?#@]*:)[^/?#@]*@/

export const withoutUserinfo = (url: string): string => splitUserinfo(url).url

/** The same text with a mask in place of what stands between `//` and `@`. Takes time that is linear in its length. */
export const maskUserinfo = (text: string): string =>
  text.includes('@') ? text.replace(/([\\/]{2})[^\s\\/?#"'<>]*@/g, `$1${secretMask}@`) : text
