import { type LoggedEvent, terminalTypes } from './harness.ts'

/** What the whole log says about operations. */
export interface Audit {
  /** Operations that the log knows. */
  readonly requested: number
  /** What must not be; empty where all is well. */
  readonly findings: readonly string[]
  /** Attempts that were lost with their worker. */
  readonly lost: number
  /** Workers that started attempts, with how many. */
  readonly starts: ReadonlyMap<string, number>
}

/** Counts in the log: every acknowledged operation is there, with exactly one end as its last event. */
export const audit = (events: readonly LoggedEvent[], acknowledged: Iterable<string>): Audit => {
  const streams = Map.groupBy(
    events.filter(({ stream }) => stream.startsWith('operation-')),
    ({ stream }) => stream,
  )
  const findings: string[] = []
  const starts = new Map<string, number>()
  let lost = 0
  for (const id of acknowledged)
    if (!streams.has(`operation-${id}`)) findings.push(`operation ${id} was acknowledged and is missing`)
  for (const [stream, history] of streams) {
    const types = history.map(({ type }) => type)
    const ends = types.filter((type) => terminalTypes.includes(type))
    if (types[0] !== 'OperationRequested' || ends.length !== 1 || types.at(-1) !== ends[0])
      findings.push(`${stream} is ${types.join(', ')}`)
    if (history.some(({ revision }, index) => revision !== index)) findings.push(`${stream} has holes in its revisions`)
    for (const { type, data } of history) {
      if (type === 'OperationStarted') starts.set(String(data.worker), (starts.get(String(data.worker)) ?? 0) + 1)
      if ((data.error as { type?: string } | undefined)?.type === 'worker-lost') lost++
    }
  }
  const ids = new Set(events.map(({ id }) => id))
  if (ids.size < events.length) findings.push(`${events.length - ids.size} events stand twice in the log`)
  return { requested: streams.size, findings, lost, starts }
}
