import ipaddr from 'ipaddr.js'
import { canonicalHost } from './host-header.ts'

/** How many decisions are remembered: a client sends the same `Host` again and again. */
const mostKnown = 1000

/**
 * Whether a host (as `Addressed` has it) is this server as long as it has no credentials: loopback names and addresses, and those of `ALLOWED_HOSTS`.
 * A name that an attacker owns may point here (DNS rebinding), and its pages would be of this server's origin.
 */
export const createOwnHosts = (allowed: readonly string[]): ((host: string, isSecure: boolean) => boolean) => {
  const known = new Map<string, boolean>()
  const isAllowed = allowed.map(allowance)
  return (host, isSecure) => {
    const port = isSecure ? '443' : '80'
    const key = `${port} ${host}`
    let answer = known.get(key)
    if (answer === undefined) {
      const place = placeOf(host, port)
      answer = isLoopbackName(place.name) || isAllowed.some((allows) => allows(place))
      if (known.size >= mostKnown) known.clear()
      known.set(key, answer)
    }
    return answer
  }
}

interface Place {
  readonly name: string
  readonly port: string
}

/** Name and port of a host; an address without its brackets, a name without the dot of the root. `usual` is the port where it names none. */
const placeOf = (host: string, usual = '80'): Place => {
  const [, name = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(host) ?? []
  return { name: name.replace(/^\[|\]$/g, '').replace(/\.$/, ''), port: port === '' ? usual : port }
}

const isLoopbackName = (name: string): boolean => {
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  return (name.includes(':') || ipaddr.IPv4.isValidFourPartDecimal(name)) && isLoopbackAddress(name)
}

const isLoopbackAddress = (text: string): boolean => ipaddr.isValid(text) && ipaddr.process(text).range() === 'loopback'

/** One entry of `ALLOWED_HOSTS`: `name`, `name:port`, `*.name`, an address, or `*`. */
const allowance = (entry: string): ((place: Place) => boolean) => {
  if (entry === '*') return () => true
  const [, wild, rest = ''] = /^(\*\.)?(.*)$/.exec(entry) ?? []
  const host = canonicalHost(hostText(rest)) ?? ''
  const { name, port } = placeOf(host)
  const anyPort = !/:\d+$/.test(hostText(rest).replace(/^\[[^\]]*\]/, '[]'))
  return (place) =>
    (anyPort || place.port === port) && (wild === undefined ? place.name === name : place.name.endsWith(`.${name}`))
}

/** A bare IPv6 address gets its brackets. */
const hostText = (text: string): string => (ipaddr.IPv6.isValid(text) ? `[${text}]` : text)

/** Whether an entry of `ALLOWED_HOSTS` can be honoured. */
export const isHostEntry = (entry: string): boolean => {
  if (entry === '*') return true
  const host = canonicalHost(hostText(entry.replace(/^\*\./, '')))
  return host !== undefined && host !== ''
}
