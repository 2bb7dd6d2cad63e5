import { z } from 'zod'
import { parseInstant } from '../../lib/clock.ts'
import { derivedIdAt } from '../../lib/ids.ts'
import type { SubmitRequest } from '../submit.ts'

/** Looks at a host, prepares it, and registers it where its cluster is managed. Source: clusters contract, sections 6 and 10. */
export const investigateKind = 'clusters.investigate'

/** Everything that looks at one host or prepares it. */
export const hostLane = (address: string): string => `host:${address}`

/** A host by the id of its `HostRegistered`: the address may be another host's by now. */
export const KnownHost = z.strictObject({ address: z.string(), registration: z.string() })
export type KnownHost = z.infer<typeof KnownHost>

/** The names of its recorded steps, in order; then those of section 6.4, and `nodeStep` in a managed cluster. */
export const investigationSteps = {
  connect: 'connect',
  facts: 'facts',
  bootstrap: (name: string): string => `bootstrap: ${name}`,
} as const

/** Result of the step `connect`: the key that the host has, as `SHA256:…`. It is the remembered one from then on. */
export const ConnectStep = z.object({ fingerprint: z.string() })
export type ConnectStep = z.infer<typeof ConnectStep>

/** Result of the step `facts`. `memory` and `space` are kilobytes; `os` is `atomic`, or the `ID` of the host as it is. */
export const Facts = z.object({
  os: z.string(),
  cpus: z.number().int(),
  memory: z.number().int(),
  space: z.number().int(),
})
export type Facts = z.infer<typeof Facts>

/** Result of a step of the bootstrap that succeeded: what ran. */
export const BootstrapStep = z.object({ command: z.string(), exitCode: z.number().int() })
export type BootstrapStep = z.infer<typeof BootstrapStep>

/** Where an investigation failed: `error.details` of the operation has it as `phase`. */
export const failurePhases = ['connect', 'facts', 'os', 'bootstrap'] as const

/** `error.details` of a failed investigation. */
export const InvestigationFailure = z.object({
  phase: z.enum(failurePhases),
  /** The command that failed, and how it ended. */
  command: z.string().optional(),
  exitCode: z.number().int().nullable().optional(),
  /** The end of what the host said, at most 64 KiB. */
  output: z.string().optional(),
})
export type InvestigationFailure = z.infer<typeof InvestigationFailure>

/** Result of an investigation; whether the host is in a managed cluster and registered is said by the step `nodeStep`. */
export const InvestigateOutcome = z.object({ status: z.enum(['active', 'disassociated']) })
export type InvestigateOutcome = z.infer<typeof InvestigateOutcome>

export const investigationRequest = ({ address, registration }: KnownHost): SubmitRequest => ({
  kind: investigateKind,
  input: { address, registration },
  lane: hostLane(address),
  face: 'clusters',
})

/** One for each registration of a host and each failure since: whoever asks for it, it is one operation. Times are RFC 3339. */
export const investigationId = ({
  registration,
  registeredAt,
  failure,
}: {
  readonly registration: string
  readonly registeredAt: string
  readonly failure: { readonly event: string; readonly at: string } | null
}): string =>
  derivedIdAt(parseInstant(failure?.at ?? registeredAt), investigateKind, registration, failure?.event ?? registration)
