import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cronTimes, isTimeZone } from '../../src/lib/cron.ts'

const at = (text: string): number => Date.parse(text)

/** The next times, without seconds, and milliseconds, which are zero. */
const next = (pattern: string, zone: string, from: string, count: number): readonly string[] => {
  const times = cronTimes(pattern, zone)
  const found: string[] = []
  for (let time = times.after(at(from)); time !== undefined && found.length < count; time = times.after(time))
    found.push(new Date(time).toISOString())
  return found.map((text) => text.replace(/:00\.000Z$|\.000Z$/, 'Z'))
}

test.each([
  ['five fields', '30 2 * * *', ['2027-01-01T02:30Z', '2027-01-02T02:30Z']],
  ['six fields begin with seconds', '*/20 59 23 * * *', ['2027-01-01T23:59Z', '2027-01-01T23:59:20Z', '2027-01-01T23:59:40Z']],
  [
    'lists, ranges and steps',
    '0 8-18/5,22 * * *',
    ['2027-01-01T08:00Z', '2027-01-01T13:00Z', '2027-01-01T18:00Z', '2027-01-01T22:00Z'],
  ],
  [
    'names of months and weekdays, in any case',
    '0 0 * jan,MAR mon-tue',
    ['2027-01-04T00:00Z', '2027-01-05T00:00Z', '2027-01-11T00:00Z'],
  ],
  ['0 and 7 are Sunday', '0 0 * * 7', ['2027-01-03T00:00Z', '2027-01-10T00:00Z']],
  ['L is the last day of the month', '0 0 L * *', ['2027-01-31T00:00Z', '2027-02-28T00:00Z']],
  ['L after a weekday is the last one of the month', '0 0 * * FRIL', ['2027-01-29T00:00Z', '2027-02-26T00:00Z']],
  ['# is the n-th weekday of the month', '0 0 * * FRI#2', ['2027-01-08T00:00Z', '2027-02-12T00:00Z']],
  [
    'day of month or day of week',
    '0 0 13 * FRI',
    ['2027-01-01T00:00Z', '2027-01-08T00:00Z', '2027-01-13T00:00Z', '2027-01-15T00:00Z'],
  ],
  ['leap days', '0 0 29 2 *', ['2028-02-29T00:00Z', '2032-02-29T00:00Z']],
])('%s: %s', (_what, pattern, expected) =>
  expect(next(pattern, 'UTC', '2026-12-31T23:59:59.999Z', expected.length)).toEqual(expected),
)

test.each([
  [
    'a time in the gap stands for its end',
    '30 2 * * *',
    'Europe/Berlin',
    '2027-03-27T12:00:00Z',
    ['2027-03-28T01:00Z', '2027-03-29T00:30Z'],
  ],
  [
    'several times in the gap are one',
    '0,15,30,45 2 * * *',
    'Europe/Berlin',
    '2027-03-27T12:00:00Z',
    ['2027-03-28T01:00Z', '2027-03-29T00:00Z'],
  ],
  [
    'the end of the gap is one of them',
    '*/30 2-3 * * *',
    'Europe/Berlin',
    '2027-03-27T12:00:00Z',
    ['2027-03-28T01:00Z', '2027-03-28T01:30Z', '2027-03-29T00:00Z'],
  ],
  [
    'a time that comes twice counts the first time',
    '30 2 * * *',
    'Europe/Berlin',
    '2027-10-30T12:00:00Z',
    ['2027-10-31T00:30Z', '2027-11-01T01:30Z'],
  ],
  ['asked in the repeated hour', '30 2 * * *', 'Europe/Berlin', '2027-10-31T01:15:00Z', ['2027-11-01T01:30Z']],
  [
    'each minute of the hour counts once',
    '*/30 * * * *',
    'Europe/Berlin',
    '2027-10-31T00:00:00Z',
    ['2027-10-31T00:30Z', '2027-10-31T02:00Z', '2027-10-31T02:30Z'],
  ],
  [
    'a gap of half an hour',
    '15 2 * * *',
    'Australia/Lord_Howe',
    '2026-10-03T00:00:00Z',
    ['2026-10-03T15:30Z', '2026-10-04T15:15Z'],
  ],
  [
    'an overlap of half an hour',
    '45 1 * * *',
    'Australia/Lord_Howe',
    '2027-04-03T00:00:00Z',
    ['2027-04-03T14:45Z', '2027-04-04T15:15Z'],
  ],
  ['a gap at midnight', '30 0 * * *', 'Africa/Cairo', '2027-04-29T12:00:00Z', ['2027-04-29T22:00Z', '2027-04-30T21:30Z']],
  [
    'a day that is missing',
    '0 12 * * *',
    'Pacific/Apia',
    '2011-12-29T12:00:00Z',
    ['2011-12-29T22:00Z', '2011-12-30T10:00Z', '2011-12-30T22:00Z'],
  ],
  ['west of Greenwich', '0 0 * * *', 'America/St_Johns', '2027-01-01T00:00:00Z', ['2027-01-01T03:30Z', '2027-01-02T03:30Z']],
])('%s: %s in %s', (_what, pattern, zone, from, expected) => expect(next(pattern, zone, from, expected.length)).toEqual(expected))

test.each([
  '* * * *',
  '* * * * * * *',
  '',
  '@daily',
  '2027-01-01T00:00:00',
  '60 * * * *',
  'a b c d e',
  '*/0 * * * *',
  '0 0 * * MON#6',
  '0 0 32 * *',
])('is no pattern: %j', (pattern) => expect(() => cronTimes(pattern, 'UTC')).toThrow(/\w/))

test('a day that never comes has no time', () => expect(cronTimes('0 0 30 2 *', 'UTC').after(0)).toBeUndefined())

test.each([
  ['Europe/Berlin', true],
  ['UTC', true],
  ['America/Argentina/Buenos_Aires', true],
  ['US/Eastern', true],
  ['Mars/Phobos', false],
  ['+02:00', false],
  ['', false],
])('%j is a time zone: %s', (zone, expected) => expect(isTimeZone(zone)).toBe(expected))

const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata']
const patterns = ['* * * * *', '*/7 * * * *', '30 2 * * *', '0 0 1 * MON', '15,45 1-3 * * SUN']

test('the last time up to one is the one itself, and none lies between two that follow each other', () =>
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.constantFrom(...patterns),
      fc.integer({ min: at('2027-01-01T00:00:00Z'), max: at('2028-12-31T00:00:00Z') }),
      (zone, pattern, from) => {
        const times = cronTimes(pattern, zone)
        const first = times.after(from) ?? 0
        const second = times.after(first) ?? 0
        expect(first).toBeGreaterThan(from)
        expect(times.upTo(first)).toBe(first)
        expect(times.upTo(second - 1)).toBe(first)
        expect(times.after(first - 1)).toBe(first)
      },
    ),
    { numRuns: 200, seed: 11 },
  ))
