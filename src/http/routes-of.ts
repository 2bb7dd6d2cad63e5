import { RegExpRouter } from 'hono/router/reg-exp-router'
import { SmartRouter } from 'hono/router/smart-router'
import { TrieRouter } from 'hono/router/trie-router'

/** Methods that a path may have, in the order in which `Allow` names them. */
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Which route a request meets, and which methods a path has, found the way Hono finds handlers. */
export interface RouteTable<Route> {
  find(method: string, path: string): Route | undefined
  /** With HEAD where there is GET, and OPTIONS; empty for an unknown path. */
  allow(path: string): readonly string[]
}

/** `HEAD` finds the route of `GET`. */
export const routeTable = <Route>(
  routes: Iterable<{ readonly method: string; readonly path: string; readonly route: Route }>,
): RouteTable<Route> => {
  const router = new SmartRouter<Route>({ routers: [new RegExpRouter(), new TrieRouter()] })
  router.add('NONE', '/', undefined as Route)
  for (const { method, path, route } of routes) router.add(method, path, route)
  const find = (method: string, path: string): Route | undefined => {
    const [[found] = []] = router.match(method === 'HEAD' ? 'GET' : method, path)
    return found?.[0] as Route | undefined
  }
  return {
    find,
    allow: (path) => {
      const found = methods.filter((method) => method !== 'OPTIONS' && find(method, path) !== undefined)
      return found.length === 0 ? [] : [...found, 'OPTIONS']
    },
  }
}
