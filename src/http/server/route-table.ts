/** Methods that a path may have, in the order in which `Allow` names them. */
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

interface Pattern<Route> {
  /** One for each segment: the text it must be, or null for a parameter. */
  readonly literals: readonly (string | null)[]
  readonly names: readonly string[]
  readonly route: Route
}

/** A route and what its parameters stand for. */
export interface Match<Route> {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
}

/** Which route a request meets, and which methods a path has. */
export interface RouteTable<Route> {
  match(method: string, path: string): Match<Route> | undefined
  find(method: string, path: string): Route | undefined
  /** With OPTIONS, and with HEAD where it meets a route; empty for an unknown path. */
  allow(path: string): readonly string[]
}

/**
 * Paths of literal segments and `:parameters`, one route each: a whole path first, then patterns of as many segments in the order of
 * their adding. `HEAD` meets the routes of `GET`, unless `head` is `none`.
 */
export const routeTable = <Route>(
  routes: Iterable<{ readonly method: string; readonly path: string; readonly route: Route }>,
  { head = 'get' }: { readonly head?: 'get' | 'none' | undefined } = {},
): RouteTable<Route> => {
  const whole = new Map<string, Map<string, Match<Route>>>()
  const patterns = new Map<string, Pattern<Route>[][]>()
  for (const { method, path, route } of routes) {
    const segments = path.split('/')
    const isParameter = (segment: string): boolean => segment.startsWith(':')
    if (segments.some(isParameter)) {
      const literals = segments.map((segment) => (isParameter(segment) ? null : segment))
      const names = segments.map((segment) => segment.slice(1))
      const byLength = patterns.get(method) ?? []
      patterns.set(method, byLength)
      byLength[segments.length] = [...(byLength[segments.length] ?? []), { literals, names, route }]
    } else {
      const paths = whole.get(method) ?? new Map<string, Match<Route>>()
      whole.set(method, paths)
      if (!paths.has(path)) paths.set(path, { route, params: {} })
    }
  }
  const match = (sent: string, path: string): Match<Route> | undefined => {
    const method = sent === 'HEAD' && head === 'get' ? 'GET' : sent
    const found = whole.get(method)?.get(path)
    if (found !== undefined) return found
    const byLength = patterns.get(method)
    if (byLength === undefined) return undefined
    const segments = path.split('/')
    for (const { literals, names, route } of byLength[segments.length] ?? []) {
      if (!fits(literals, segments)) continue
      const params: Record<string, string> = {}
      for (let index = 0; index < literals.length; index++)
        if (literals[index] === null) params[names[index] as string] = segments[index] as string
      return { route, params }
    }
    return undefined
  }
  const find = (method: string, path: string): Route | undefined => match(method, path)?.route
  return {
    match,
    find,
    allow: (path) => {
      const found = methods.filter((method) => method !== 'OPTIONS' && find(method, path) !== undefined)
      return found.length === 0 ? [] : [...found, 'OPTIONS']
    },
  }
}

const fits = (literals: readonly (string | null)[], segments: readonly string[]): boolean => {
  for (let index = 0; index < literals.length; index++)
    if (literals[index] === null ? segments[index] === '' : literals[index] !== segments[index]) return false
  return true
}
