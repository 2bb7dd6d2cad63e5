import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { parse } from 'tldts'

/**
 * The registered domain that a host's pages are queued and throttled under, in lower case: `news.example.co.uk` gives
 * `example.co.uk`. Only the ICANN section of the public suffix list counts. A host without a public suffix is named as the
 * original names it, its last label (or the whole address) and the dot of the missing suffix: `127.0.0.1.`, `localhost.`.
 */
export const domainKey = (host: string): string => {
  const bare = withoutEndingDots(host.toLowerCase().replace(/^\[(.*)\]$/, '$1'))
  if (isIP(bare) !== 0) return `${bare}.`
  const { domain, isIcann } = parse(bare, { allowPrivateDomains: false, validateHostname: false })
  if (domain && isIcann) return domain
  return `${isIcann ? bare : bare.slice(bare.lastIndexOf('.') + 1)}.`
}

/** An international name as addresses write it, in ASCII; any other text as it stands. */
export const asciiName = (name: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: anything but ASCII is meant
  /^[\x00-\x7f]*$/.test(name) ? name : domainToASCII(name) || name

/** A domain key as it is compared: case, the trailing dot and the spelling of an international name do not matter. */
export const comparableDomain = (domain: string): string => withoutEndingDots(asciiName(domain.toLowerCase()))

/** A pattern for this takes quadratic time where many dots stand before something else. */
const withoutEndingDots = (text: string): string => {
  let end = text.length
  while (text[end - 1] === '.') end--
  return text.slice(0, end)
}

/** A fed URL with the scheme it lacks: `http://`, but only where there is no colon at all (`host:80/x` stays, unsupported). */
export const withScheme = (url: string): string => {
  const trimmed = url.trim()
  return trimmed.includes(':') ? trimmed : `http://${trimmed}`
}

/** The domain key of a URL; a text that is no URL with a host gets the empty host's key, `.`. */
export const domainKeyOf = (url: string): string => domainKey(URL.parse(withScheme(url))?.hostname ?? '')
