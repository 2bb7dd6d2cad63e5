import type { HttpContext } from '../../faces/http-context.ts'

/** Looks at what a request proves of its sender: who that is, or undefined where this one does not know. */
export type Authenticator = (c: HttpContext) => Promise<string | undefined> | string | undefined
