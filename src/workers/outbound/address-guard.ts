import { constants } from 'node:crypto'
import { lookup } from 'node:dns'
import { lookup as lookupAll } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'

/** A connection that may still be on its way. */
interface Connection {
  destroy(): void
}

/** Which addresses may be reached from here. `connect` is the connector of every request, `lookup` that of other protocols. */
export interface Targets {
  /** Why this IP address is refused, for people; null when it may be reached. */
  refusal(address: string): string | null
  /** Resolves a name to addresses that may be reached; fails with `TargetRefused` where there is none. For connections without HTTP. */
  readonly lookup: LookupFunction
  connect(options: buildConnector.Options, callback: buildConnector.Callback): Connection | undefined
  /** TLS over a connection that is there already. */
  secure(options: buildConnector.Options, callback: buildConnector.Callback): void
  /**
   * Rejects with `TargetRefused` where a proxy must not be asked for this host: an address that is refused, or a name that leads to one
   * as far as can be known here. What the proxy makes of the name is beyond our control.
   */
  checkForProxy(hostname: string): Promise<void>
}

/** In PEM: the authorities that are trusted instead of the usual ones, and the certificate and key that are shown to servers. */
export interface TlsIdentity {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** The error of a connection to an address that is not allowed. */
export class TargetRefused extends Error {
  override readonly name = 'TargetRefused'
}

/** A connection that is not there after this long is given up, whatever the fetch allows. */
export const connectTimeoutMs = 300_000

/** Cloud services that give credentials to any caller inside the cloud, besides 169.254.169.254. */
const metadataAddresses = new Set(['100.100.100.200', '192.0.0.192', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'])

/** The IPv4 address that an IPv6 address leads to: mapped, translated (NAT64), compatible and 6to4 ones. */
const embeddedIPv4 = (address: ipaddr.IPv6): ipaddr.IPv4 | null => {
  const parts = address.parts
  const range = address.range()
  const compatible = parts.slice(0, 6).every((part) => part === 0) && (parts[6] as number) !== 0
  const [high, low] = range === '6to4' ? [parts[1], parts[2]] : [parts[6], parts[7]]
  if (!compatible && !['ipv4Mapped', 'rfc6052', 'rfc6145', '6to4'].includes(range)) return null
  return new ipaddr.IPv4([(high as number) >> 8, (high as number) & 255, (low as number) >> 8, (low as number) & 255])
}

/** Devices of an intranet speak TLS as it was long ago, with certificates of their own. */
const anyTls = {
  rejectUnauthorized: false,
  minVersion: 'TLSv1',
  ciphers: 'DEFAULT:@SECLEVEL=0',
  secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
} as const

const forbidden = 'it may not be reached'

type Standing = 'public' | 'link-local' | 'private' | 'no-host'

/** Ranges in which no single machine is. */
const withoutHosts = new Set(['unspecified', 'multicast', 'broadcast'])

const standingOf = (address: ipaddr.IPv4 | ipaddr.IPv6): Standing => {
  if (address instanceof ipaddr.IPv6) {
    const inner = embeddedIPv4(address)
    if (inner) return standingOf(inner)
  }
  const range = address.range()
  if (range === 'linkLocal' || metadataAddresses.has(address.toString())) return 'link-local'
  if (withoutHosts.has(range)) return 'no-host'
  // Documentation, carrier-grade NAT and the like: nothing of the public web is there.
  return range === 'unicast' ? 'public' : 'private'
}

/**
 * The address rules. Link-local and cloud metadata addresses are refused unless `allowLinkLocal`; loopback, private
 * and other addresses that are not public are refused unless `allowPrivate`, and those of no single host unless `allowNoHost`. What is checked is the address that is really connected
 * to, after DNS, on every hop: a name never gets around it, nor does an IPv4 address that is written as IPv6.
 */
export const createTargets = ({
  allowLinkLocal,
  allowPrivate,
  allowNoHost = allowPrivate,
  tlsVerify = true,
  tls = {},
  remedies = {},
}: {
  readonly allowLinkLocal: boolean
  readonly allowPrivate: boolean
  /** Whether unspecified, broadcast and multicast addresses may be reached (0.0.0.0 is this machine). Default: as private ones. */
  readonly allowNoHost?: boolean
  /** Whether certificates are looked at; without that, TLS of any age will do. */
  readonly tlsVerify?: boolean
  readonly tls?: TlsIdentity
  /** What a refusal says besides: who may not reach it, and the setting that allows it. */
  readonly remedies?: { readonly linkLocal?: string; readonly private?: string }
}): Targets => {
  const refusal = (address: string): string | null => {
    const bare = address.replace(/^\[|\]$/g, '').replace(/%.*$/, '')
    if (!ipaddr.isValid(bare)) return `${address} is not an IP address`
    const standing = standingOf(ipaddr.parse(bare))
    if (standing === 'link-local' && !allowLinkLocal)
      return `${address} is a link-local or cloud metadata address; ${remedies.linkLocal ?? forbidden}`
    if (standing !== 'public' && standing !== 'link-local' && !allowPrivate)
      return `${address} is not a public address; ${remedies.private ?? forbidden}`
    if (standing === 'no-host' && !allowNoHost) return `${address} is not the address of a host; ${forbidden}`
    return null
  }

  /** Hands on only the addresses that may be reached, so that a connection can go nowhere else. */
  const allowedLookup: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const allowed = found.filter(({ address }) => refusal(address) === null)
      const first = allowed[0]
      if (!first) {
        const why = refusal(found[0]?.address ?? '') ?? 'no address'
        return callback(new TargetRefused(`${hostname}: ${why}`), [])
      }
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }

  // undici answers with the socket at once, though its types keep quiet about it.
  const open = buildConnector({
    allowH2: false,
    timeout: connectTimeoutMs,
    lookup: allowedLookup,
    ...tls,
    ...(tlsVerify ? {} : anyTls),
  } as buildConnector.BuildOptions) as unknown as (...args: Parameters<Targets['connect']>) => Connection

  const refuseUnless = (why: string | null): void => {
    if (why !== null) throw new TargetRefused(why)
  }

  return {
    refusal,
    lookup: allowedLookup,
    secure: open,
    checkForProxy: async (hostname) => {
      const literal = hostname.replace(/^\[|\]$/g, '')
      if (isIP(literal) !== 0) return refuseUnless(refusal(literal))
      if (/(?:^|\.)localhost\.?$/.test(hostname)) return refuseUnless(refusal('127.0.0.1'))
      if (allowPrivate) return
      // A name that is unknown here may be known to the proxy.
      const found = await lookupAll(hostname, { all: true }).catch(() => [])
      for (const { address } of found) refuseUnless(refusal(address))
    },
    connect(options, callback) {
      const literal = options.hostname.replace(/^\[|\]$/g, '')
      const refused = isIP(literal) === 0 ? null : refusal(literal)
      if (refused !== null) {
        callback(new TargetRefused(refused), null)
        return undefined
      }
      return open(options, (...[error, socket]) => {
        if (error) return callback(error, null)
        // The last word is with the connection itself.
        const reached = refusal(socket.remoteAddress ?? '')
        if (reached === null) return callback(null, socket)
        socket.destroy()
        callback(new TargetRefused(reached), null)
      })
    },
  }
}
