import { inject } from 'vitest'

/** The EventStoreDB of this run, shared by all tests: use stream names of your own. Undefined: there is none, skip. */
export const eventStoreDbUrl: string | undefined = inject('eventStoreDbUrl') ?? undefined

/** The Kafka of this run, shared by all tests: use a topic prefix of your own. Undefined: there is none, skip. */
export const kafkaBrokers: string | undefined = inject('kafkaBrokers') ?? undefined
