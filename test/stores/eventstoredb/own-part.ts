import { newId } from '../../../src/lib/ids.ts'
import {
  type EventLog,
  type Feed,
  type Filter,
  origin,
  type Position,
  type RecordedEvent,
} from '../../../src/stores/event-log.ts'

/**
 * The part of a shared log that begins now and holds only what is appended through it: an empty log for a test, on a server that others
 * use as well. Stream names get an ending of their own on the way in and lose it on the way out. A position stands for everything of
 * this part up to it, so it is told as the newest position of this part that is not after it; and a checkpoint that says nothing
 * new for this part is not told at all.
 */
export const ownPart = async (log: EventLog): Promise<EventLog> => {
  const begin = await log.head()
  const mark = `~${newId()}`
  const own: Position[] = []
  const underWay = new Set<Promise<unknown>>()

  const inner = (stream: string): string => (stream === '' ? '' : `${stream}${mark}`)
  const isOwn = ({ stream }: RecordedEvent): boolean => stream.endsWith(mark)
  const outer = (event: RecordedEvent): RecordedEvent => ({ ...event, stream: event.stream.slice(0, -mark.length) })
  const note = (position: Position): void => {
    const at = own.findLastIndex((known) => known <= position)
    if (own[at] !== position) own.splice(at + 1, 0, position)
  }
  const told = (position: Position): Position => own.findLast((known) => known <= position) ?? origin
  const lower = (after: Position | undefined): Position => (after === undefined || after === origin ? begin : after)

  /** Appends under way may be recorded already: their positions are waited for. */
  const settled = async (): Promise<void> => {
    await Promise.allSettled([...underWay])
  }

  async function* readStream(...[stream, options]: Parameters<EventLog['readStream']>) {
    for await (const event of log.readStream(inner(stream), options)) yield outer(event)
  }

  async function* readAll({
    after,
    backwards = false,
    limit = Number.POSITIVE_INFINITY,
    filter,
  }: Parameters<EventLog['readAll']>[0] = {}) {
    if (limit <= 0 || (backwards && after === origin)) return
    const bounds = backwards ? (after === undefined ? {} : { after }) : { after: lower(after) }
    let left = limit
    for await (const event of log.readAll({ ...bounds, backwards, ...filtered(filter) })) {
      if (backwards && event.position <= begin) return
      if (!isOwn(event)) continue
      yield outer(event)
      if (--left === 0) return
    }
  }

  async function* feed(source: AsyncIterable<Feed>, after: Position): AsyncGenerator<Feed> {
    let last = after
    for await (const item of source) {
      if (item.kind === 'event') {
        if (!isOwn(item.event)) continue
        note(item.event.position)
        last = item.event.position
        yield { kind: 'event', event: outer(item.event) }
        continue
      }
      await settled()
      const position = told(item.position)
      if (item.kind === 'checkpoint' && position <= last) continue
      last = position
      yield { kind: item.kind, position }
    }
  }

  return {
    append: (stream, expected, events) => {
      const appended = log.append(inner(stream), expected, events).then((answer) => {
        note(answer.position)
        return answer
      })
      underWay.add(appended)
      const done = () => underWay.delete(appended)
      appended.then(done, done)
      return appended.catch((error: Error & { stream?: string }) => {
        if (error.stream === inner(stream)) Object.assign(error, { stream })
        throw error
      })
    },
    readStream,
    readAll,
    subscribe: (options) => feed(log.subscribe({ ...options, after: lower(options.after) }), options.after ?? origin),
    head: async () => {
      const head = await log.head()
      await settled()
      return told(head)
    },
    forget: (stream) => log.forget(inner(stream)),
    close: () => log.close(),
  }
}

const filtered = (filter: Filter | undefined): { readonly filter?: Filter } => (filter === undefined ? {} : { filter })
