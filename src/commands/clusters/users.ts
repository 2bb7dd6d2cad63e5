import { z } from 'zod'

const User = z.object({ hash: z.string().regex(/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/, 'is not a bcrypt hash') })

/** bcrypt hashes by the name of the user. */
export type Users = ReadonlyMap<string, string>

/**
 * Reads `{"USER": {"hash": "$2b$…"}}`, as `commctl passhash` makes hashes. Throws an `Error` which names the user that cannot be understood.
 * Source: clusters contract, section 1, "Authentication".
 */
export const parseUsers = (text: string): Users => {
  const users = z.record(z.string(), z.unknown()).parse(JSON.parse(text))
  return new Map(
    Object.entries(users).map(([name, user]) => {
      const parsed = User.safeParse(user)
      if (!parsed.success) throw new Error(`the user ${JSON.stringify(name)} has no bcrypt hash as its member "hash"`)
      return [name, parsed.data.hash]
    }),
  )
}
