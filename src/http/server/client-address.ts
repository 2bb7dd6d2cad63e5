import ipaddr from 'ipaddr.js'
import { createRecent } from '../../lib/recent.ts'
import { type Arrival, headerOf } from '../faces/arrival.ts'

/** The address of whoever sent a request; null where there is no socket. */
export type ClientAddress = (arrival: Arrival) => string | null

type Address = ipaddr.IPv4 | ipaddr.IPv6

const rememberedAddresses = 1_000

/**
 * `trusted` lists the addresses and networks of proxies: what they say in `Forwarded` or `X-Forwarded-For` is believed, hop by hop from
 * the last one, up to the first address that is no trusted proxy or cannot be read. Where both headers stand and differ, a client may have
 * sent one of them, so neither is believed.
 */
export const createClientAddress = (trusted: readonly string[]): ClientAddress => {
  const isTrusted = trustOf(trusted)
  // A connection carries many requests, and few clients open most of them: reading an address costs 3 µs.
  const known = createRecent<Address>(rememberedAddresses)
  const directOf = (remoteAddress: string): Address | undefined => {
    const kept = known.get(remoteAddress)
    const address = kept ?? addressOf(remoteAddress)
    if (address !== undefined && kept === undefined) {
      known.set(remoteAddress, address)
      known.age()
    }
    return address
  }
  return (arrival) => {
    const { remoteAddress } = arrival.incoming?.socket ?? {}
    if (remoteAddress === undefined) return null
    const direct = directOf(remoteAddress)
    if (direct === undefined || trusted.length === 0 || !isTrusted(direct)) return direct?.toString() ?? remoteAddress
    const forwarded = headerOf(arrival, 'forwarded')
    const forwardedFor = headerOf(arrival, 'x-forwarded-for')
    const [one, other] = [
      forwarded === undefined ? undefined : forwardedHops(forwarded),
      forwardedFor === undefined ? undefined : forwardedFor.split(','),
    ].map((hops) => (hops === undefined ? undefined : clientOf(hops, direct, isTrusted).toString()))
    if (one !== undefined && other !== undefined && one !== other) return direct.toString()
    return one ?? other ?? direct.toString()
  }
}

const clientOf = (hops: readonly string[], direct: Address, isTrusted: (address: Address) => boolean): Address => {
  let client = direct
  for (const hop of hops.toReversed()) {
    const address = addressOf(hop)
    if (address === undefined) return client
    client = address
    if (!isTrusted(address)) return client
  }
  return client
}

/** The `for` of each element of `Forwarded` (RFC 7239), in order; empty where an element has none. */
const forwardedHops = (header: string): readonly string[] =>
  partsOf(header, ',').map((element) => {
    const pairs = partsOf(element, ';').map(
      (pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const,
    )
    return pairs.find(([name]) => name.trim().toLowerCase() === 'for')?.[1] ?? ''
  })

/** Cut at a separator outside of quotes. */
const partsOf = (text: string, separator: ',' | ';'): readonly string[] => {
  const parts: string[] = []
  let begin = 0
  let quoted = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (character === '\\' && quoted) index++
    else if (character === '"') quoted = !quoted
    else if (character === separator && !quoted) {
      parts.push(text.slice(begin, index))
      begin = index + 1
    }
  }
  parts.push(text.slice(begin))
  return parts
}

/** An address with or without quotes, brackets and port; undefined where it is none (`unknown`, `_hidden`). IPv4 in IPv6 is IPv4. */
const addressOf = (text: string): Address | undefined => {
  const bare = text.trim().replace(/^"(.*)"$/, '$1')
  const [, inBrackets, v4] = /^(?:\[([^\]]*)\](?::\d+)?|((?:\d+\.){3}\d+)(?::\d+)?)$/.exec(bare) ?? []
  const address = inBrackets ?? v4 ?? bare
  const isAddress = address.includes(':') ? ipaddr.IPv6.isValid(address) : ipaddr.IPv4.isValidFourPartDecimal(address)
  return isAddress ? ipaddr.process(address) : undefined
}

type Network = readonly [Address, number]

/** One entry of `TRUSTED_PROXIES`: an address or a network; undefined where it is neither. */
const networkOf = (entry: string): Network | undefined => {
  const [text = '', bits, ...more] = entry.split('/')
  const address = addressOf(text)
  if (address === undefined || more.length > 0 || /[[\]"]/.test(text)) return undefined
  const whole = address.kind() === 'ipv4' ? 32 : 128
  // A network of IPv4 addresses that is written as IPv6 counts its first 96 bits too.
  const mapped = whole === 32 && text.includes(':') ? 96 : 0
  if (bits === undefined) return [address, whole]
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) - mapped : -1
  return length >= 0 && length <= whole ? [address, length] : undefined
}

const trustOf = (entries: readonly string[]): ((address: Address) => boolean) => {
  const networks = entries.map(networkOf).filter((network) => network !== undefined)
  return (address) =>
    networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network as never, bits))
}

/** Whether an entry of `TRUSTED_PROXIES` can be honoured. */
export const isProxyEntry = (entry: string): boolean => networkOf(entry) !== undefined
