import { type Connection, openConnection, wire } from './connection.ts'
import type { Load, LoadResult } from './load.ts'

/** The process that makes load. Every contender is loaded by this very code. */
process.once('disconnect', () => process.exit())
process.on('message', (load: Load) => {
  run(load).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.message }),
  )
})

/** A timer may be late by a millisecond, which is as long as what is measured: the rest of a wait is spent looking. */
const lookingMs = 1.2
const settlingMs = 20

const run = async ({
  url: address,
  requests,
  status,
  connections,
  pace,
  count,
  keepBodies = false,
}: Load): Promise<LoadResult> => {
  const urls = [address].flat().map((text) => new URL(text))
  const [first] = urls
  if (first === undefined) throw new Error('there is nowhere to send the load to')
  const buffers = requests.map((request) => wire(first, request))
  const { promise: failure, reject: fail } = Promise.withResolvers<never>()
  failure.catch(() => undefined)
  const idle: Connection[] = await Promise.all(
    Array.from({ length: connections }, (_, index) => openConnection(urls[index % urls.length] ?? first, fail)),
  )
  const all = [...idle]
  const latencies = new Float64Array(count)
  const bodies: string[] = []
  const waiting: number[] = []
  const begin = performance.now() + settlingMs
  const intended = (index: number): number => (pace === undefined ? 0 : begin + (index * 1000) / pace)
  const { promise: done, resolve: finish } = Promise.withResolvers<void>()
  let answered = 0
  let next = 0

  const send = (index: number, connection: Connection): void => {
    const since = pace === undefined ? performance.now() : intended(index)
    connection.send(buffers[index % buffers.length] as Buffer, (got, body) => {
      latencies[index] = performance.now() - since
      if (got !== status)
        return fail(new Error(`${requests[index % requests.length]?.path} was answered ${got}: ${body.toString().slice(0, 300)}`))
      if (keepBodies) bodies[index] = body.toString()
      if (++answered === count) return finish()
      const following = pace === undefined ? (next < count ? next++ : undefined) : waiting.shift()
      if (following === undefined) idle.push(connection)
      else send(following, connection)
    })
  }

  /** Open loop: what is due goes out, or waits for a connection with its clock running. */
  const tick = (): void => {
    const now = performance.now()
    while (next < count && intended(next) <= now) {
      const connection = idle.shift() // the one that rested longest: none rests until it is closed
      if (connection === undefined) waiting.push(next++)
      else send(next++, connection)
    }
    if (next >= count) return
    const remaining = intended(next) - performance.now()
    if (remaining > lookingMs) setTimeout(tick, remaining - lookingMs)
    else setImmediate(tick)
  }

  const begun = performance.now()
  if (pace === undefined) for (const connection of idle.splice(0, count)) send(next++, connection)
  else tick()
  try {
    await Promise.race([done, failure])
  } finally {
    for (const connection of all) connection.close()
  }
  return { elapsedMs: performance.now() - (pace === undefined ? begun : begin), latencies, bodies }
}
