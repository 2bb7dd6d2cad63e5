import {
  allEvents,
  getJson,
  type Json,
  type LoggedEvent,
  postJson,
  type ServerProcess,
  terminalTypes,
  untilEnded,
} from './harness.ts'

/** What a client was told, and may therefore rely on for ever. */
export interface Ledger {
  /** Operations that were answered with 202. */
  readonly operations: Set<string>
  /** Events that were shown, by id, with their position. */
  readonly events: Map<string, string>
}

export const newLedger = (): Ledger => ({ operations: new Set(), events: new Map() })

/** A seeded source of numbers in [0, 1), so that a failing run can be repeated. Mulberry32. */
export const seeded = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Clients that ask, look and cancel until the server is gone; whatever it answered is in the ledger. */
export const load = async (
  { url }: ServerProcess,
  { ledger, random, clients }: { readonly ledger: Ledger; readonly random: () => number; readonly clients: number },
): Promise<void> => {
  const one = async (): Promise<void> => {
    for (;;) {
      const response = await postJson(`${url}/v1/operations`, { kind: 'probe', ...request(random) })
      if (response.status !== 202) throw new Error(`a submission was answered with ${response.status}: ${await response.text()}`)
      const { id } = (await response.json()) as { id: string }
      ledger.operations.add(id)
      if (random() < 0.1) await postJson(`${url}/v1/operations/${id}/cancel`, {})
      if (random() < 0.3) note(ledger, (await getJson(`${url}/v1/operations/${id}/events`)).items as readonly LoggedEvent[])
    }
  }
  await Promise.all(Array.from({ length: clients }, () => one().catch(unlessGone)))
}

/** Follows the log as it grows; what a follower was shown has happened. */
export const follow = async ({ url }: ServerProcess, ledger: Ledger): Promise<void> => {
  try {
    const response = await fetch(`${url}/v1/events`, { headers: { Accept: 'text/event-stream' } })
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      const events = lines.filter((line) => line.startsWith('data: {') && line.includes('"id":'))
      note(
        ledger,
        events.map((line) => JSON.parse(line.slice('data: '.length)) as LoggedEvent),
      )
    }
  } catch (error) {
    unlessGone(error)
  }
}

const note = (ledger: Ledger, events: readonly LoggedEvent[]): void => {
  for (const { id, position } of events) ledger.events.set(id, position)
}

/** A killed server breaks connections; that is the point. Any other failure is one. */
const unlessGone = (error: unknown): void => {
  if (!(error instanceof TypeError)) throw error
}

const request = (random: () => number): Json => ({
  input: {
    ...(random() < 0.6 ? { sleepMs: Math.floor(random() * 60) } : {}),
    ...(random() < 0.1 ? { failAttempts: 1 } : {}),
    ...(random() < 0.3 ? { output: 'line\n'.repeat(20) } : {}),
    echo: Math.floor(random() * 1000),
  },
  ...(random() < 0.2 ? { lane: `lane-${Math.floor(random() * 5)}` } : {}),
  // Kills must never use up the attempts.
  policy: { attempts: 1000 },
})

/** Everything that an audit of the whole log may find wrong; empty where all is well. */
export const auditLog = async ({ url }: ServerProcess, ledger: Ledger): Promise<readonly string[]> => {
  const events = await allEvents(url)
  const streams = Map.groupBy(
    events.filter(({ stream }) => stream.startsWith('operation-')),
    ({ stream }) => stream,
  )
  const findings: string[] = []
  const positions = new Map(events.map(({ id, position }) => [id, position]))
  for (const [id, position] of ledger.events)
    if (positions.get(id) !== position) findings.push(`event ${id} was shown at ${position} and is at ${positions.get(id)}`)
  for (const id of ledger.operations)
    if (!streams.has(`operation-${id}`)) findings.push(`operation ${id} was acknowledged and is missing`)
  for (const [stream, history] of streams) {
    const ends = history.filter(({ type }) => terminalTypes.includes(type))
    if (ends.length !== 1 || history.at(-1) !== ends[0])
      findings.push(`${stream} ends in ${history.map(({ type }) => type).join(', ')}`)
    if (history.some(({ revision }, index) => revision !== index)) findings.push(`${stream} has holes in its revisions`)
  }
  if (positions.size !== events.length) findings.push(`${events.length - positions.size} events stand twice in the log`)
  return findings
}

/** Resolves when every operation of the log has ended. */
export const untilAllEnded = async ({ url }: ServerProcess): Promise<number> => {
  const requested = (await allEvents(url)).filter(({ type }) => type === 'OperationRequested')
  for (const { stream } of requested) await untilEnded(url, stream.slice('operation-'.length))
  return requested.length
}
