import { LRUCache } from 'lru-cache'
import { CookieJar } from 'tough-cookie'
import type { NextPage } from '../../../projections/crawling/queue-queries.ts'
import type { Header } from '../../outbound/headers.ts'

/**
 * What a redirect is: on to somewhere else, the way through a cookie wall (once more where the page was, with the cookies that it was
 * given), or a circle that leads nowhere.
 */
export type RedirectKind = 'on' | 'through-wall' | 'circle'

export interface RedirectMemory {
  /** The cookies that an address gets because its site insisted on them; '' for none. */
  cookiesFor(page: Pick<NextPage, 'operation'>, url: string): string
  /** Takes note of a redirect of a page; `here` and `there` are where it was and where it leads, without fragment. */
  follow(
    page: Pick<NextPage, 'id' | 'operation' | 'redirects'>,
    redirect: { readonly here: string; readonly there: string; readonly from: string; readonly headers: readonly Header[] },
  ): RedirectKind
}

interface Jar {
  readonly cookies: CookieJar
  /** Hosts that insist on cookies. */
  readonly hosts: Set<string>
  count: number
}

/** Where a page has been on its way, and how often it went through a wall. */
interface Chain {
  readonly been: Set<string>
  readonly hosts: Set<string>
  /** Whether there are cookies that were given and not sent yet. */
  hasGained: boolean
  walls: number
}

const mostChains = 10_000
const mostJars = 1_000
const mostCookies = 100
const mostHosts = 1_000
const longestCookie = 4_096
/** A site that has not let a page in by then hands out new cookies each time. */
const mostWalls = 3

/**
 * Knows of the pages that are on their way from redirect to redirect. `Set-Cookie` is not carried to other requests, with one exception: a
 * site that answers a page with cookies and sends it in a circle gets these cookies from then on. All of it is in memory: after a restart a
 * page begins its way anew.
 */
export const createRedirectMemory = (): RedirectMemory => {
  const chains = new LRUCache<string, Chain>({ max: mostChains })
  const jars = new LRUCache<string, Jar>({ max: mostJars })

  const chainOf = ({ id, redirects }: Pick<NextPage, 'id' | 'redirects'>): Chain => {
    const known = redirects === 0 ? undefined : chains.get(id)
    const chain = known ?? { been: new Set(), hosts: new Set(), hasGained: false, walls: 0 }
    chains.set(id, chain)
    return chain
  }

  /** Whether the answer brought cookies that its host does not get yet. */
  const keep = (operation: string, url: string, headers: readonly Header[]): boolean => {
    const given = headers
      .filter(([name, value]) => name === 'Set-Cookie' && value.length <= longestCookie)
      .map(([, value]) => value)
    if (given.length === 0) return false
    const jar = jars.get(operation) ?? { cookies: new CookieJar(), hosts: new Set(), count: 0 }
    jars.set(operation, jar)
    const before = jar.cookies.getCookieStringSync(url)
    for (const cookie of given.slice(0, mostCookies - jar.count)) {
      jar.cookies.setCookieSync(cookie, url, { ignoreError: true })
      jar.count++
    }
    const now = jar.cookies.getCookieStringSync(url)
    return now !== '' && (now !== before || !jar.hosts.has(hostOf(url)))
  }

  return {
    cookiesFor: ({ operation }, url) => {
      const jar = jars.get(operation)
      return jar?.hosts.has(hostOf(url)) === true ? jar.cookies.getCookieStringSync(url) : ''
    },
    follow: (page, { here, there, from, headers }) => {
      const chain = chainOf(page)
      if (keep(page.operation, from, headers)) chain.hasGained = true
      chain.hosts.add(hostOf(from))
      if (there !== here && !chain.been.has(there)) {
        chain.been.add(here)
        return 'on'
      }
      const jar = jars.get(page.operation)
      if (jar === undefined || !chain.hasGained || chain.walls >= mostWalls || jar.hosts.size >= mostHosts) return 'circle'
      for (const host of chain.hosts) jar.hosts.add(host)
      chain.walls++
      chain.hasGained = false
      chain.been.clear()
      return 'through-wall'
    },
  }
}

const hostOf = (url: string): string => URL.parse(url)?.hostname ?? ''

/** The cookies of a crawl, and those of the site in their place where both have one of the same name. */
export const joinedCookies = (fed: string | undefined, given: string): string | undefined => {
  if (given === '') return fed
  const names = new Set(given.split('; ').map(nameOf))
  const own = (fed ?? '').split(';').filter((pair) => pair.trim() !== '' && !names.has(nameOf(pair.trim())))
  return [...own, given].join('; ')
}

const nameOf = (pair: string): string => pair.slice(0, pair.indexOf('='))
