import ipaddr from 'ipaddr.js'
import { type Environment, InvalidVariables } from './environment.ts'

/** A proxy that requests go through. */
export interface ProxyAddress {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  /** The value of Proxy-Authorization. */
  readonly authorization?: string
}

/** Names the proxy for an address; undefined where it is reached directly. */
export type ProxyFor = (target: URL) => ProxyAddress | undefined

export const noProxies: ProxyFor = () => undefined

/**
 * The proxies of one part of the program: the variable `setting` (`CRAWLING_PROXY`) for all addresses, or else `http_proxy`, `https_proxy`
 * and `all_proxy`, in lower case or capitals; `none` for no proxy at all. What `no_proxy` names is reached directly, and so is this machine
 * unless `setting` names the proxy. Throws `InvalidVariables`, which never quotes a value.
 */
export const proxiesOf = (environment: Environment, setting: `${string}_PROXY`): ProxyFor => {
  const own = environment[setting]
  if (own === 'none') return noProxies
  const named = (name: string): ProxyAddress | undefined => {
    const variable = [name, name.toUpperCase()].find((known) => (environment[known] ?? '') !== '')
    return variable === undefined ? undefined : proxyOf(environment[variable] as string, { variable, setting })
  }
  const given = own === undefined || own === '' ? undefined : proxyOf(own, { variable: setting, setting })
  const all = given ?? named('all_proxy')
  const http = given ?? named('http_proxy') ?? all
  const https = given ?? named('https_proxy') ?? all
  if (http === undefined && https === undefined) return noProxies
  const isExcepted = exceptionsOf(environment.no_proxy || environment.NO_PROXY || '')
  return (target) => {
    if ((given === undefined && isThisMachine(target.hostname)) || isExcepted(target)) return undefined
    return target.protocol === 'https:' ? https : http
  }
}

const proxyOf = (value: string, { variable, setting }: { readonly variable: string; readonly setting: string }): ProxyAddress => {
  const url = URL.parse(value.includes('://') ? value : `http://${value}`)
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '')
    throw new InvalidVariables(`${variable} is not the address of an HTTP proxy (http://host:port; ${setting}=none uses none)`)
  if (url.username === '' && url.password === '') return { origin: url.origin }
  const login = `${decoded(url.username)}:${decoded(url.password)}`
  return { origin: url.origin, authorization: `Basic ${Buffer.from(login, 'utf8').toString('base64')}` }
}

/** Without percent-encoding; unchanged where it cannot be decoded. */
export const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export const isThisMachine = (hostname: string): boolean =>
  hostname === 'localhost' || hostname.endsWith('.localhost') || addressOf(hostname)?.range() === 'loopback'

const addressOf = (hostname: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined => {
  const bare = hostname.replace(/^\[|\]$/g, '')
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined
}

/** `no_proxy`: hosts with all that is below them, addresses and ranges (`10.0.0.0/8`), each with a port or without; `*` for everything. */
const exceptionsOf = (list: string): ((target: URL) => boolean) => {
  const entries = list.split(/[\s,]+/).filter((entry) => entry !== '')
  if (entries.includes('*')) return () => true
  const tests = entries.map(exceptionOf)
  return (target) => tests.some((test) => test(target))
}

const exceptionOf = (entry: string): ((target: URL) => boolean) => {
  if (ipaddr.isValidCIDR(entry)) {
    const [network, bits] = ipaddr.parseCIDR(entry)
    return ({ hostname }) => {
      const address = addressOf(hostname)
      return address !== undefined && address.kind() === network.kind() && address.match(network, bits)
    }
  }
  const [, host = entry, port] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? []
  const name = host
    .toLowerCase()
    .replace(/^\*?\./, '')
    .replace(/^\[|\]$/g, '')
  const address = addressOf(name)?.toString()
  return (target) => {
    if (port !== undefined && port !== portOf(target)) return false
    if (address !== undefined) return addressOf(target.hostname)?.toString() === address
    return target.hostname === name || target.hostname.endsWith(`.${name}`)
  }
}

const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80')
