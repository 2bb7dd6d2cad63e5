import { describe, expect, test } from 'vitest'
import { newestSlots } from '../../../src/commands/schedules/slots.ts'
import type { DueSchedule } from '../../../src/projections/schedules.ts'
import { longestQueue, mostCaughtUp, plan } from '../../../src/workers/schedules/plan.ts'

const minute = 60_000
const noon = Date.parse('2027-01-01T12:00:00Z')

/** A schedule of each minute whose slot of noon is due. */
const due = (definition: Partial<DueSchedule['definition']> = {}, more: Partial<DueSchedule> = {}): DueSchedule => {
  const whole: DueSchedule['definition'] = {
    ...{ kind: 'probe', lane: null, priority: 100, policy: {}, labels: {}, limits: [] },
    ...{ cron: '* * * * *', timeZone: 'UTC', everyMs: null, at: null, jitterMs: 0, overlap: 'skip', catchUp: 'last' },
    ...definition,
  }
  return {
    ...{ id: 1, uid: 'one', key: { owner: null, name: 'nightly' }, hasSecrets: false, definedBy: 'event' },
    ...{ definition: whole, timing: whole, anchor: noon - 60 * minute, since: noon - 60 * minute, handled: noon - minute },
    ...{ firedAt: null, slot: noon, due: noon },
    ...more,
  }
}
const firstCaughtUp = (schedule: DueSchedule, last: number) => newestSlots(schedule, schedule.slot, last, mostCaughtUp)
const looking = (more: Partial<Parameters<typeof plan>[1]> = {}) => ({
  ...{ now: noon + 5, awakeSince: noon - 30 * minute, active: [], firstCaughtUp },
  ...more,
})
const outage = { now: noon + 3.5 * minute, awakeSince: noon + 3.5 * minute }
const lane = 'schedule:one'

describe('a slot that is due', () => {
  test('is fired, without a lane', () => expect(plan(due(), looking())).toEqual({ do: 'fire', slot: noon, cancel: [] }))
  test('is fired however late it is where somebody was looking', () =>
    expect(plan(due({ catchUp: 'none' }), looking({ now: noon + 20 * minute }))).toMatchObject({ do: 'fire', slot: noon }))
})

describe('while an operation of the schedule is active', () => {
  const active = ['a', 'b']
  test('skip', () =>
    expect(plan(due(), looking({ active }))).toEqual({
      do: 'skip',
      slot: noon,
      reason: expect.stringMatching(/^overlap: operation a /),
    }))
  test('queue: in a lane of its own', () =>
    expect(plan(due({ overlap: 'queue' }), looking({ active }))).toEqual({ do: 'fire', slot: noon, lane, cancel: [] }))
  test('queue: in the lane of the definition', () =>
    expect(plan(due({ overlap: 'queue', lane: 'mine' }), looking({ active }))).toMatchObject({ lane: 'mine' }))
  test('queue: a full one waits', () => {
    const full = Array.from({ length: longestQueue }, (_, n) => `operation ${n}`)
    expect(plan(due({ overlap: 'queue' }), looking({ active: full }))).toEqual({ do: 'wait', for: full })
  })
  test('cancel-running', () =>
    expect(plan(due({ overlap: 'cancel-running' }), looking({ active }))).toEqual({
      do: 'fire',
      slot: noon,
      lane,
      cancel: active,
    }))
  test('an interval after the last one waits', () =>
    expect(plan(due({ cron: null, everyMs: minute, afterLast: true }), looking({ active }))).toEqual({ do: 'wait', for: active }))
})

describe('after an outage of three and a half minutes', () => {
  test('none: what was missed is skipped', () =>
    expect(plan(due({ catchUp: 'none' }), looking(outage))).toEqual({
      do: 'skip',
      slot: noon + 3 * minute,
      reason: expect.stringMatching(/^missed: /),
    }))
  test('none: what came within the last second is not missed', () =>
    expect(plan(due({ catchUp: 'none' }), looking({ now: noon + 800, awakeSince: noon + 800 }))).toMatchObject({ do: 'fire' }))
  test('none: a one-shot in the past is missed', () => {
    const at = new Date(noon).toISOString()
    const past = due({ cron: null, at, catchUp: 'none' }, { since: noon + minute, handled: null })
    expect(plan(past, looking({ now: noon + minute }))).toMatchObject({ do: 'skip', slot: noon })
  })
  test('last: the last one is fired', () =>
    expect(plan(due(), looking(outage))).toEqual({ do: 'fire', slot: noon + 3 * minute, cancel: [] }))
  test('last: of an interval too', () => {
    const every = due({ cron: null, everyMs: minute })
    expect(plan(every, looking(outage))).toMatchObject({ do: 'fire', slot: noon + 3 * minute })
  })
  test('all: the first one is fired', () =>
    expect(plan(due({ catchUp: 'all' }), looking(outage))).toEqual({ do: 'fire', slot: noon, cancel: [] }))
  test('all: one after the other', () =>
    expect(plan(due({ catchUp: 'all' }), looking({ ...outage, active: ['a'] }))).toEqual({ do: 'wait', for: ['a'] }))
  test('all: of very many the newest', () => {
    const late = noon + 10_000 * minute
    expect(plan(due({ catchUp: 'all' }), looking({ now: late, awakeSince: late }))).toEqual({
      do: 'skip',
      slot: late - mostCaughtUp * minute - minute,
      reason: expect.stringContaining(String(mostCaughtUp)),
    })
  })
})
