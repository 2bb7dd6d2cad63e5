import { z } from 'zod'
import { type Environment, settingsFrom, variablesOf, whole } from '../../lib/environment.ts'
import { isConnectionString } from './connection-string.ts'

/** Every setting of the EventStoreDB log, named `EVENTSTOREDB_…` in the environment. Source: docs/configuration.md. */
const EventStoreDbVariables = z.object({
  /** `esdb://user:password@host:2113,host:2113?tls=true&tlsCAFile=ca.pem`; without it the log is a file. */
  url: z
    .string()
    .refine((text) => isConnectionString(text) && !/\s/.test(text), 'is not a connection string esdb://host:port')
    .optional(),
  /** An append that got no answer by then has an unknown outcome, and is repeated. */
  appendTimeoutMs: whole(100, 600_000).default(5_000),
})

export interface EventStoreDbSettings {
  /** May hold a password: never to be logged. */
  readonly url: string
  readonly appendTimeoutMs: number
}

/** Undefined where no server is named. Throws an `Error` with one line per variable that cannot be honoured. */
export const eventStoreDbSettings = (environment: Environment): EventStoreDbSettings | undefined => {
  const { url, appendTimeoutMs } = settingsFrom('EVENTSTOREDB', EventStoreDbVariables, environment)
  return url === undefined ? undefined : { url, appendTimeoutMs }
}

export const eventStoreDbVariables = variablesOf('EVENTSTOREDB', EventStoreDbVariables)
