import type { FaceRoute } from '../faces/face.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { Reply } from '../replies/reply.ts'
import { notFound } from './error-body.ts'

export const base = '/api/v0'

const name = /^[a-zA-Z0-9_-]+$/
/** Not `.` or `..`: clients take them out of a path, so nobody could read such a host. */
const address = /^(?!\.{1,2}$)[a-zA-Z0-9_.:-]+$/

/** What parameters of paths may be; for other characters there is no route. Source: clusters contract, section 1. */
const patterns: Readonly<Record<string, RegExp>> = { name, address, host: address }

/** The lane `members:NAME` has to stay within the 200 characters of a lane. */
const longest = 192

export const isAddress = (text: string): boolean => address.test(text) && text.length <= longest

export const noRoute = ({ method, sentPath }: Pick<HttpContext, 'method' | 'sentPath'>): Reply =>
  notFound(`There is no route ${method} ${sentPath}`)

/** The route where the parameters of its path are such names and addresses, else none. */
export const withPatterns = (route: FaceRoute): FaceRoute => ({
  ...route,
  handle: (c, params) =>
    Object.entries(params).every(([key, value]) => value.length <= longest && patterns[key]?.test(value) === true)
      ? route.handle(c, params)
      : noRoute(c),
})
