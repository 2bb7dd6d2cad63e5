import { createHash } from 'node:crypto'
import { isObject } from '../../lib/json.ts'
import { origin, type Position, type RecordedEvent } from '../event-log.ts'
import { isKeyStream } from '../hidden-streams.ts'
import { type LogEnd, LogsDiffer } from './copy-end.ts'

export interface CopyReport {
  /** Events that both ends hold now, key streams included. */
  readonly events: number
  /** Those of them that an earlier run had copied. */
  readonly alreadyThere: number
  /** Key streams that were forgotten at the source since an earlier run, and now at the target. */
  readonly forgotten: number
  /** SHA-256 over every event of the source; the target's is the same. */
  readonly digest: string
}

/** The current step, and the part of the source that is done: 0 to 1. */
export type Progress = (phase: 'comparing' | 'copying' | 'verifying', share: number, events: number) => void

/** Events that are handed to the target at a time. */
const batchEvents = 512
const batchSize = 4 * 1024 * 1024

/**
 * Copies one log into another: what the target already has is compared, the rest appended in order, and what was appended read
 * back and compared. Whatever ends it in between, the next call goes on there. Throws `LogsDiffer` for a target that holds other
 * events (before anything is written) and for a copy that is not like its source; `Unavailable` for an end that does not answer.
 */
export const copyLog = async ({
  from,
  to,
  progress = () => {},
}: {
  readonly from: LogEnd
  readonly to: LogEnd
  readonly progress?: Progress
}): Promise<CopyReport> => {
  const hash = createHash('sha256')
  const places = { source: origin as Position, target: origin as Position }
  let same = 0

  /** Compares from the places on; ends with the source's first event that the target lacks. */
  const compare = async (phase: 'comparing' | 'verifying') => {
    const source = from.events({ after: places.source })[Symbol.asyncIterator]()
    const surplus = new Set<string>()
    let wanted = await source.next()
    try {
      for await (const found of to.events({ after: places.target, everything: true })) {
        if (!wanted.done && textOf(wanted.value) === textOf(found)) {
          hash.update(`${textOf(found)}\n`)
          same += 1
          places.source = wanted.value.position
          places.target = found.position
          progress(phase, from.share(places.source), same)
          wanted = await source.next()
        } else if (isKeyStream(found.stream)) surplus.add(found.stream)
        else
          throw new LogsDiffer(
            `${to.name} holds ${nameOf(found)}, ${from.name} ${wanted.done ? 'nothing more' : nameOf(wanted.value)}`,
          )
      }
    } finally {
      await source.return?.()
    }
    return { missing: wanted.done ? undefined : wanted.value, surplus }
  }

  /** A key that the source has forgotten is not kept by the copy. */
  const forgetAll = async (streams: ReadonlySet<string>): Promise<void> => {
    if (streams.size > 0 && same === 0) throw new LogsDiffer(`${to.name} holds keys of another log`)
    for (const stream of streams) await to.forget(stream)
  }

  const { surplus } = await compare('comparing')
  await forgetAll(surplus)
  const alreadyThere = same

  let batch: RecordedEvent[] = []
  let size = 0
  let copied = same
  const flush = async (): Promise<void> => {
    const last = batch.at(-1)
    if (last === undefined) return
    await to.append(batch)
    copied += batch.length
    progress('copying', from.share(last.position), copied)
    batch = []
    size = 0
  }
  for await (const event of from.events({ after: places.source })) {
    batch.push(event)
    size += JSON.stringify(event.data).length
    if (batch.length >= batchEvents || size >= batchSize) await flush()
  }
  await flush()

  const { missing, surplus: forgottenSince } = await compare('verifying')
  if (missing !== undefined) throw new LogsDiffer(`${to.name} lacks ${nameOf(missing)} of ${from.name}`)
  await forgetAll(forgottenSince)
  return { events: same, alreadyThere, forgotten: surplus.size + forgottenSince.size, digest: hash.digest('hex') }
}

const nameOf = ({ stream, revision, type, id }: RecordedEvent): string => `${stream}@${revision} ${type} (${id})`

/** Everything that a copy keeps, in one spelling: the order of members is the engine's own business. */
const textOf = ({ stream, revision, id, type, data, metadata, recordedAt }: RecordedEvent): string =>
  JSON.stringify([stream, revision, id, type, ordered(data), ordered(metadata), recordedAt])

const ordered = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(ordered)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, ordered(value[name])]),
  )
}
