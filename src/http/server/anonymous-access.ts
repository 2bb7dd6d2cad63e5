import { type Arrival, headerOf } from '../faces/arrival.ts'
import type { HttpSettings } from '../faces/http-ports.ts'
import { Problem } from '../replies/problem.ts'
import type { Reply } from '../replies/reply.ts'
import { createOrigins } from './origins.ts'
import { createOwnHosts } from './own-hosts.ts'

/** What a server without credentials keeps from web pages: on loopback it is reached by every page in the user's browser. */
export interface AnonymousAccess {
  /** Throws the problems `misdirected` (a foreign host: DNS rebinding) and `foreign-origin` (an unsafe request of a foreign page). */
  check(arrival: Arrival, safe: boolean): void
  /** Whether a page of another origin asks that is not in `ALLOWED_ORIGINS`. */
  isForeign(arrival: Arrival): boolean
  /** The answer without its `Access-Control` headers where a foreign page asked. */
  shared(arrival: Arrival, answer: Reply): Reply
}

export const createAnonymousAccess = ({
  allowedHosts,
  allowedOrigins,
}: Pick<HttpSettings, 'allowedHosts' | 'allowedOrigins'>): AnonymousAccess => {
  const isOwnHost = createOwnHosts(allowedHosts)
  const origins = createOrigins(allowedOrigins)
  const isForeign = (arrival: Arrival): boolean => {
    const origin = headerOf(arrival, 'origin')
    const site = headerOf(arrival, 'sec-fetch-site')
    return origins.isForeign({ origin, site }, { host: arrival.addressed.hosts.at(-1), isSecure: arrival.isSecure })
  }
  return {
    isForeign,
    check: (arrival, safe) => {
      for (const host of arrival.addressed.hosts)
        if (!isOwnHost(host, arrival.isSecure))
          throw new Problem(
            'misdirected',
            `without credentials this server answers for loopback names and addresses only, not for ${host === '' ? 'an empty host' : host}; ALLOWED_HOSTS names others`,
          )
      if (!safe && isForeign(arrival))
        throw new Problem(
          'foreign-origin',
          'without credentials this server takes changes from its own pages and from programs only; ALLOWED_ORIGINS allows other pages',
        )
    },
    shared: (arrival, answer) => {
      if (headerOf(arrival, 'origin') === undefined || !isForeign(arrival)) return answer
      const kept = Object.entries(answer.headers).filter(([name]) => !name.toLowerCase().startsWith('access-control-'))
      return { ...answer, headers: Object.fromEntries(kept) }
    },
  }
}
