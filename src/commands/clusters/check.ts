import { z } from 'zod'

/** Looks whether hosts can still be reached. Source: clusters contract, sections 6.6 and 10. */
export const checkKind = 'clusters.check'

/** A host is due when its last check, reached or not, is so old. */
export const checkEveryMs = 60_000

export const CheckInput = z.strictObject({})
export type CheckInput = z.infer<typeof CheckInput>

/** Result: the hosts that were due. `at` is RFC 3339 in UTC. */
export const CheckOutcome = z.object({
  hosts: z.array(z.object({ address: z.string(), reached: z.boolean(), at: z.string() })),
})
export type CheckOutcome = z.infer<typeof CheckOutcome>
