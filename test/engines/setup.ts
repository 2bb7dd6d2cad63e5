import type { TestProject } from 'vitest/node'
import { startByCommand } from './command.ts'
import { firstLine, type StartedEngine } from './engine.ts'
import type { EngineName } from './images.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Null where the suites that need the engine are skipped. */
    eventStoreDbUrl: string | null
    kafkaBrokers: string | null
    /** Whether Docker can start further ones. */
    containers: { readonly eventstoredb: boolean; readonly kafka: boolean }
  }
}

interface Engine {
  readonly name: EngineName
  readonly title: string
  readonly running: string
  readonly command: string
  addressAt(port: number): string
}

const engines: readonly Engine[] = [
  {
    name: 'eventstoredb',
    title: 'EventStoreDB',
    running: 'EVENTSTOREDB_URL',
    command: 'TEST_EVENTSTOREDB_COMMAND',
    addressAt: (port) => `esdb://127.0.0.1:${port}?tls=false`,
  },
  {
    name: 'kafka',
    title: 'Kafka',
    running: 'KAFKA_BROKERS',
    command: 'TEST_KAFKA_COMMAND',
    addressAt: (port) => `127.0.0.1:${port}`,
  },
]

const started: StartedEngine[] = []

/** Where the engines of this run come from: running ones, a command, Docker, or nowhere, which is said in one line each. */
export const setup = async (project: TestProject): Promise<void> => {
  const [eventstoredb, kafka] = await Promise.all(engines.map(addressOf))
  project.provide('eventStoreDbUrl', eventstoredb?.address ?? null)
  project.provide('kafkaBrokers', kafka?.address ?? null)
  project.provide('containers', { eventstoredb: eventstoredb?.isContainer ?? false, kafka: kafka?.isContainer ?? false })
}

export const teardown = async (): Promise<void> => {
  await Promise.all(started.map((engine) => engine.stop()))
}

async function addressOf({ name, title, running, command, addressAt }: Engine): Promise<{
  readonly address: string | null
  readonly isContainer: boolean
}> {
  const given = process.env[running]
  if (given) return { address: given, isContainer: false }
  const template = process.env[command]
  if (template) {
    const engine = await startByCommand(template)
    started.push(engine)
    return { address: addressAt(engine.port), isContainer: false }
  }
  const { startInContainer, whyNoContainer } = await import('./container.ts')
  const skipped = (why: string) => {
    console.log(`skipped: the tests of ${title} (neither ${running} nor ${command} is set; ${why})`)
    return { address: null, isContainer: false }
  }
  const why = await whyNoContainer(name)
  if (why !== undefined) return skipped(why)
  try {
    const engine = await startInContainer(name)
    started.push(engine)
    return { address: addressAt(engine.port), isContainer: true }
  } catch (error) {
    // The engine's image is there, but one that testcontainers needs beside it may not be.
    return skipped(firstLine(error))
  }
}
