import { describe, expect, test } from 'vitest'
import { type ScheduleCommand, schedule, scheduleStream } from '../../../src/commands/schedules/schedule.ts'
import type { ScheduleDefinition, ScheduleEvent } from '../../../src/events/schedule.ts'
import { given } from '../../given.ts'

const key = { owner: null, name: 'nightly' }
const from = '2027-01-01T00:00:00.000Z'
const definition: ScheduleDefinition = {
  ...{ kind: 'probe', input: { echo: 1 }, lane: null, priority: 100, policy: {}, labels: {}, limits: [] },
  ...{ cron: '* * * * *', timeZone: 'UTC', everyMs: null, at: null, jitterMs: 0, overlap: 'skip', catchUp: 'last' },
}
const other: ScheduleDefinition = { ...definition, cron: '0 * * * *' }
const created: ScheduleEvent = { type: 'ScheduleCreated', data: { uid: 'one', ...key, definition, paused: false, from } }
const paused: ScheduleEvent = { type: 'SchedulePaused', data: {} }
const deleted: ScheduleEvent = { type: 'ScheduleDeleted', data: {} }
const skipped: ScheduleEvent = { type: 'ScheduleSlotSkipped', data: { slot: from, reason: 'overlap' } }
const create = (uid: string) => ({ type: 'CreateSchedule', key, uid, definition, paused: false, from }) as const
const replace = (wanted: ScheduleDefinition, isPaused = false) =>
  ({ type: 'ReplaceSchedule', key, definition: wanted, paused: isPaused, from }) as const
const skip = (slot: string, uid = 'one') => ({ type: 'SkipSlot', key, uid, slot, reason: 'overlap' }) as const

describe('creating', () => {
  test('makes it', () => given(schedule).when(create('one')).then([created]))
  test('a taken name is refused', () =>
    given(schedule, [created])
      .when(create('two'))
      .then({ refused: { reason: 'exists' } }))
  test('the same command again makes nothing', () => given(schedule, [created]).when(create('one')).then([]))
  test('a deleted name is free again', () =>
    given(schedule, [created, deleted])
      .when(create('two'))
      .then([{ type: 'ScheduleCreated', data: { ...created.data, uid: 'two' } as never }]))
})

describe('replacing', () => {
  test('records another definition', () =>
    given(schedule, [created])
      .when(replace(other))
      .then([{ type: 'ScheduleReplaced', data: { definition: other, paused: false, from } }]))
  test('the same definition changes nothing', () =>
    given(schedule, [created])
      .when(replace({ ...definition }))
      .then([]))
  test('the same definition, paused, is a change', () =>
    given(schedule, [created])
      .when(replace(definition, true))
      .then([{ type: 'ScheduleReplaced', data: { definition, paused: true, from } }]))
})

describe('pausing and resuming', () => {
  test('pause', () => given(schedule, [created]).when({ type: 'PauseSchedule', key }).then([paused]))
  test('pause twice', () => given(schedule, [created, paused]).when({ type: 'PauseSchedule', key }).then([]))
  test('resume', () =>
    given(schedule, [created, paused])
      .when({ type: 'ResumeSchedule', key, from })
      .then([{ type: 'ScheduleResumed', data: { from } }]))
  test('resume what runs', () => given(schedule, [created]).when({ type: 'ResumeSchedule', key, from }).then([]))
})

describe('skipping a slot', () => {
  test('is recorded', () => given(schedule, [created]).when(skip(from)).then([skipped]))
  test('once', () => given(schedule, [created, skipped]).when(skip(from)).then([]))
  test('a later one too', () =>
    given(schedule, [created, skipped])
      .when(skip('2027-01-01T00:01:00.000Z'))
      .then([{ type: 'ScheduleSlotSkipped', data: { slot: '2027-01-01T00:01:00.000Z', reason: 'overlap' } }]))
  test('not of the schedule that had the name before', () =>
    given(schedule, [created])
      .when(skip(from, 'zero'))
      .then({ refused: { reason: 'unknown-schedule' } }))
})

describe('what is not there', () => {
  const commands: readonly ScheduleCommand[] = [
    replace(other),
    { type: 'PauseSchedule', key },
    { type: 'ResumeSchedule', key, from },
    { type: 'RestartInterval', key, uid: 'one', from },
    { type: 'DeleteSchedule', key },
    skip(from),
  ]
  for (const history of [[], [created, deleted]])
    test.each(commands)(`$type after ${history.length} events`, (command) =>
      given(schedule, history)
        .when(command)
        .then({ refused: { reason: 'unknown-schedule' } }),
    )
})

test('names may hold anything, and faces have names of their own', () => {
  const streams = ['nightly', 'a/b', '\u0000', '🌙 – ü', 'nightly '].map((name) => scheduleStream({ owner: null, name }))
  const owned = scheduleStream({ owner: 'robot', name: 'nightly' })
  expect(new Set([...streams, owned]).size).toBe(6)
  for (const stream of streams) expect(stream).toMatch(/^schedule-[0-9a-f-]{36}$/)
})
