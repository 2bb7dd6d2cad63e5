import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { trail, trailQueries } from '../../src/projections/causes.ts'
import { createOnDemandView } from '../../src/projections/engine/on-demand-view.ts'
import type { EventLog, NewEvent, Position } from '../../src/stores/event-log.ts'
import { actor, folder, openLog, silent } from './harness.ts'

const openTrail = (log: EventLog, more: { readonly buildMs?: number; readonly directory?: string } = {}) => {
  const view = createOnDemandView({ log, directory: folder(), projection: trail, clock: systemClock, logger: silent, ...more })
  onTestFinished(() => view.stop())
  return view
}

const happened = (correlationId: string, more: { causationId?: string; data?: NewEvent['data'] } = {}): NewEvent => ({
  id: newId(),
  type: 'Happened',
  data: more.data ?? {},
  metadata: { correlationId, actor, schema: 1, ...(more.causationId === undefined ? {} : { causationId: more.causationId }) },
})

/** An operation, what it did elsewhere, its retry, and something unrelated. */
const history = async () => {
  const log = await openLog()
  const put = async (stream: string, event: NewEvent) => (await log.append(stream, 'any', [event])).position
  const requested = happened('c1')
  const at: Record<string, Position> = {}
  at.requested = await put('operation-1', requested)
  at.unrelated = await put('thing-9', happened('c9'))
  at.started = await put('operation-1', happened('c1'))
  at.lane = await put('lane-x', happened('c1', { causationId: requested.id }))
  at.page = await put('page-7', happened('c1', { data: { operation: '1' } }))
  at.fetched = await put('page-7', happened('c1'))
  at.retried = await put('operation-2', happened('c2', { causationId: '1' }))
  at.retryEnded = await put('operation-2', happened('c2'))
  return { log, at, requested }
}

const places = (steps: readonly { readonly position: Position }[]) => steps.map(({ position }) => position)

test('the chain leads from the request to the event; a retry begins with the first request', async () => {
  const { log, at } = await history()
  const head = await log.head()
  const { causes } = trailQueries(await openTrail(log).upTo(head), head)
  expect(places(causes(at.fetched as Position))).toEqual([at.requested, at.page, at.fetched])
  expect(places(causes(at.retryEnded as Position))).toEqual([at.requested, at.retried, at.retryEnded])
  expect(places(causes(at.unrelated as Position))).toEqual([at.unrelated])
})

test('effects are all that followed from it, the oldest first, page by page', async () => {
  const { log, at } = await history()
  const head = await log.head()
  const { effects } = trailQueries(await openTrail(log).upTo(head), head)
  const all = [at.started, at.lane, at.page, at.fetched, at.retried, at.retryEnded]
  expect(places(effects(at.requested as Position, { limit: 100 }))).toEqual(all)
  expect(places(effects(at.requested as Position, { limit: 2, after: at.lane }))).toEqual([at.page, at.fetched])
  expect(effects(at.unrelated as Position, { limit: 100 })).toEqual([])
})

test.each([50, 150])('the effects of %i causes are the same page by page', async (causes) => {
  const log = await openLog()
  const requested = happened('c1')
  const begun = await log.append('operation-1', 'any', [requested])
  const all: Position[] = []
  for (let index = 0; index < causes; index++) {
    const cause = happened('c1', { causationId: requested.id })
    all.push((await log.append(`thing-${index}`, 'any', [cause])).position)
    all.push((await log.append(`other-${index % 7}`, 'any', [happened('c1', { causationId: cause.id })])).position)
  }
  const head = await log.head()
  const { effects } = trailQueries(await openTrail(log).upTo(head), head)
  expect(places(effects(begun.position, { limit: 1000 }))).toEqual(all)
  const paged: Position[] = []
  for (let page = places(effects(begun.position, { limit: 33 })); page.length > 0; ) {
    paged.push(...page)
    page = places(effects(begun.position, { limit: 33, after: page.at(-1) }))
  }
  expect(paged).toEqual(all)
})

test('as of a position, later effects are not known', async () => {
  const { log, at, requested } = await history()
  const views = await openTrail(log).upTo(await log.head())
  const { effects, byId } = trailQueries(views, at.lane as Position)
  expect(places(effects(at.requested as Position, { limit: 100 }))).toEqual([at.started, at.lane])
  expect(byId(requested.id)?.position).toBe(at.requested)
  expect(trailQueries(views, '0').byId(requested.id)).toBeUndefined()
})

test('it goes on where it stood, and opens its file again', async () => {
  const { log, at } = await history()
  const directory = folder()
  const first = openTrail(log, { directory })
  await first.upTo(await log.head())
  await first.stop()
  const { position } = await log.append('operation-2', 'any', [happened('c2')])
  const { effects } = trailQueries(await openTrail(log, { directory }).upTo(position), position)
  expect(places(effects(at.retried as Position, { limit: 100 }))).toEqual([at.retryEnded, position])
})

test('who would wait for too long is told so', async () => {
  const { log } = await history()
  const { promise: answered, resolve: answer } = Promise.withResolvers<Position>()
  const slow: EventLog = { ...log, head: () => answered }
  await expect(openTrail(slow, { buildMs: 5 }).upTo('9')).rejects.toThrow(/still being built/)
  answer(await log.head())
})
