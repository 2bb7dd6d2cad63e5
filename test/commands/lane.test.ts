import { expect, test } from 'vitest'
import { lane } from '../../src/commands/lane.ts'
import type { LaneEvent } from '../../src/events/lane.ts'
import { given } from '../given.ts'

const acquired = (operation: string): LaneEvent => ({ type: 'LaneAcquired', data: { operation } })
const released = (operation: string): LaneEvent => ({ type: 'LaneReleased', data: { operation } })
const acquire = (operation: string) => ({ type: 'AcquireLane', lane: 'robot', operation }) as const
const release = (operation: string) => ({ type: 'ReleaseLane', lane: 'robot', operation }) as const

test('a free lane is acquired', () =>
  given(lane)
    .when(acquire('a'))
    .then([acquired('a')]))
test('a released lane is acquired', () =>
  given(lane, [acquired('a'), released('a')])
    .when(acquire('b'))
    .then([acquired('b')]))
test('a held lane is refused', () =>
  given(lane, [acquired('a')])
    .when(acquire('b'))
    .then({ refused: { reason: 'lane-held', holder: 'a' } }))
test('the holder may ask again', () =>
  given(lane, [acquired('a')])
    .when(acquire('a'))
    .then([]))
test('the holder releases', () =>
  given(lane, [acquired('a')])
    .when(release('a'))
    .then([released('a')]))
test('who does not hold it releases nothing', () =>
  given(lane, [acquired('a')])
    .when(release('b'))
    .then([]))
test('releasing a free lane is no mistake', () => given(lane).when(release('a')).then([]))
test('the last event alone tells the state', () =>
  expect(given(lane, [released('a'), acquired('b')]).state()).toEqual(given(lane, [acquired('b')]).state()))
