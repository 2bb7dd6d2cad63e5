import { GenericContainer, getContainerRuntimeClient, ImageName, Wait } from 'testcontainers'
import { systemClock } from '../../src/lib/clock.ts'
import { endingSignals, firstLine, type StartedEngine, startWithinMs } from './engine.ts'
import { type EngineName, imageOf } from './images.ts'
import { freePortPair } from './ports.ts'

const findWithinMs = 10_000
const pullWithinMs = 180_000

/** Undefined where Docker answers and has the image or can pull it; else why not. */
export const whyNoContainer = async (engine: EngineName): Promise<string | undefined> => {
  try {
    const client = await within(findWithinMs, 'Docker does not answer', getContainerRuntimeClient())
    const image = ImageName.fromString(imageOf(engine))
    if (!(await client.image.exists(image)))
      await within(pullWithinMs, `the image ${image.string} was not pulled in time`, client.image.pull(image))
    return undefined
  } catch (error) {
    return firstLine(error)
  }
}

/** Starts an engine in a container, on the same port inside and outside, so that it can name itself to its clients. */
export const startInContainer = async (engine: EngineName): Promise<StartedEngine> => {
  const port = await freePortPair()
  const inside = engine === 'eventstoredb' ? 2113 : 9092
  const container = await new GenericContainer(imageOf(engine))
    .withEnvironment(environmentOf[engine](port))
    .withExposedPorts({ container: inside, host: port })
    .withWaitStrategy(waitFor[engine]())
    .withStartupTimeout(startWithinMs)
    .start()
  const client = await getContainerRuntimeClient()
  const handle = client.container.getById(container.getId())
  return {
    port,
    kill: async (signal) => {
      await handle.kill({ signal })
      // Docker answers when the signal was sent, not when the engine has ended.
      if (endingSignals.includes(signal)) await handle.wait()
    },
    // Waits as at the first start: a port is open long before the engine is ready.
    start: () => container.restart({ timeout: 0 }),
    stop: async () => {
      await container.stop()
    },
  }
}

const environmentOf: Readonly<Record<EngineName, (port: number) => Record<string, string>>> = {
  eventstoredb: () => ({
    EVENTSTORE_INSECURE: 'true',
    EVENTSTORE_CLUSTER_SIZE: '1',
    EVENTSTORE_RUN_PROJECTIONS: 'None',
    EVENTSTORE_ENABLE_ATOM_PUB_OVER_HTTP: 'true',
    EVENTSTORE_MEM_DB: 'false',
  }),
  kafka: (port) => ({
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENERS: 'PLAINTEXT://:9092,INTERNAL://:9094,CONTROLLER://:9093',
    // The port outside leads to the broker from outside only; to itself it talks by a listener of its own.
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port},INTERNAL://localhost:9094`,
    KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT',
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
    KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
    KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
  }),
}

const waitFor = {
  eventstoredb: () => Wait.forHttp('/health/live', 2113).forStatusCodeMatching((status) => status >= 200 && status < 300),
  kafka: () => Wait.forLogMessage(/Kafka Server started/),
}

const within = async <Result>(ms: number, otherwise: string, work: Promise<Result>): Promise<Result> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cancel = systemClock.after(ms, () => reject(new Error(otherwise)))
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
  }
}
