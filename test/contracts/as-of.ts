import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import type { JsonObject, JsonValue } from '../../src/lib/json.ts'
import { isObject } from '../../src/lib/json.ts'
import type { Answer, TestApp } from '../http/app.ts'

/** A server whose answers are kept while things happen, and asked for again as of then. */
export interface AsOfSubject {
  readonly name: string
  start(): Promise<TestApp | undefined>
  /** Makes something happen; called again and again while answers are kept. `n` counts the calls. */
  act(app: TestApp, n: number): Promise<unknown>
  /** Every GET that reads state, with paths of things that exist by now. */
  gets(app: TestApp): Promise<readonly string[]>
  /** How a GET names its moment: `asOf` on the native API, the header `As-Of` on a face. */
  readonly ask?: (app: TestApp, path: string, moment: string) => Promise<Answer>
}

interface Kept {
  readonly path: string
  readonly position: string
  readonly status: number
  readonly body: string
}

const rounds = 12
const nativeAsk: NonNullable<AsOfSubject['ask']> = (app, path, moment) =>
  app.ask(`GET ${path}${path.includes('?') ? '&' : '?'}asOf=${encodeURIComponent(moment)}`)

/** The suite that every face passes: what was answered is answered again as of its position. Source: native contract, section 8. */
export const asOfContract = ({ name, start, act, gets, ask = nativeAsk }: AsOfSubject): void => {
  test(`${name}: what a GET answered it answers as of its Event-Position`, async ({ skip }) => {
    const app = await start()
    if (app === undefined) return skip()
    try {
      const kept: Kept[] = []
      let acting: Promise<unknown> = Promise.resolve()
      for (let n = 0; n < rounds; n++) {
        acting = Promise.all([acting, act(app, n)])
        for (const path of await gets(app)) {
          const answer = await app.ask(`GET ${path}`)
          const position = answer.headers.get('event-position')
          expect(position, `${path} says where it stands`).not.toBeNull()
          kept.push({ path, position: position ?? '', status: answer.status, body: answer.text })
        }
      }
      await acting
      const step = Math.max(1, Math.floor(kept.length / mostAsked))
      for (const { path, position, status, body } of kept.filter((_, index) => index % step === 0)) {
        const again = await caughtUp(() => ask(app, path, position))
        const where = `${path} as of ${position}`
        expect(again.status, where).toBe(status)
        expect(again.headers.get('event-position'), where).toBe(position)
        expect(comparable(again.text), where).toEqual(comparable(body))
      }
    } finally {
      await app.stop()
    }
  })
}

/** Each position is a copy of the views of its own: so many are asked for. */
const mostAsked = 80

const caughtUp = async (asked: () => Promise<Answer>): Promise<Answer> => {
  for (;;) {
    const answer = await asked()
    if (answer.status !== 503) return answer
    await systemClock.sleep(100)
  }
}

/** What hangs on live workers, on this process or on the clock since the last event is not compared; nor are cursors. */
const comparable = (text: string): unknown => {
  try {
    return without(JSON.parse(text) as JsonValue)
  } catch {
    return text
  }
}

const ofNow = new Set([
  'next',
  'nextStartAt',
  'workers',
  'lag',
  'kafkaConnected',
  'redisConnected',
  'nodeHealth',
  'uptimeMs',
  'worker',
  'waiting',
  'windowUsed',
  'cpu',
  'memory',
])
const hangsOnWorkers = ['start', 'worker', 'unknown']

const without = (value: JsonValue): JsonValue => {
  if (Array.isArray(value)) return value.map(without)
  if (!isObject(value)) return value
  const members = Object.entries(value as JsonObject)
    .filter(([member]) => !ofNow.has(member))
    .map(([member, inner]) => [member, member === 'waitingFor' ? wait(inner) : without(inner ?? null)] as const)
  return Object.fromEntries(members)
}

/** A wait until some moment may be due by the clock of now, and not by the last event that the past knows. */
const wait = (value: JsonValue | undefined): JsonValue => {
  if (!isObject(value)) return null
  const { reason, until } = value as JsonObject
  return hangsOnWorkers.includes(String(reason)) || until !== null ? null : without(value as JsonObject)
}
