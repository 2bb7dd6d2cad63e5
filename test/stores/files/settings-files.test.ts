import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { Unacceptable } from '../../../src/lib/errors.ts'
import { openSettingsFiles } from '../../../src/stores/files/settings-files.ts'
import { temporaryDirectory } from '../temporary.ts'

/** A clock that goes on only when it is told to, and then calls what is due. */
const handClock = () => {
  let now = 0
  let due: { readonly at: number; readonly run: () => void }[] = []
  const clock: Clock = {
    ...systemClock,
    monotonic: () => now,
    after: (ms, run) => {
      const one = { at: now + ms, run }
      due.push(one)
      return () => {
        due = due.filter((other) => other !== one)
      }
    },
  }
  const pass = (ms: number): void => {
    now += ms
    const ready = due.filter(({ at }) => at <= now)
    due = due.filter(({ at }) => at > now)
    for (const { run } of ready) run()
  }
  return { clock, pass, waiting: () => due.length }
}

const setUp = (texts: Readonly<Record<string, string>>) => {
  const directory = temporaryDirectory()
  const file = (name: string): string => join(directory, name)
  for (const [name, text] of Object.entries(texts)) writeFileSync(file(name), text)
  const logged: { level: number; msg: string; fault?: string }[] = []
  const logger: Logger = pino({ level: 'info' }, { write: (line: string) => logged.push(JSON.parse(line)) })
  const { clock, pass, waiting } = handClock()
  const open = () =>
    openSettingsFiles({
      files: Object.keys(texts).map((name) => ({ setting: `${name.toUpperCase()}_FILE`, file: file(name) })),
      read: (all) => {
        const numbers = all.map(Number)
        if (numbers.some(Number.isNaN)) throw new Error('not a number')
        return numbers
      },
      clock,
      logger,
    })
  /** As programs replace files: never half written. */
  const write = (name: string, text: string): void => {
    writeFileSync(file('next'), text)
    renameSync(file('next'), file(name))
  }
  return { open, write, remove: (name: string) => rmSync(file(name)), pass, waiting, logged, file }
}

test('changed files are taken up within a second, whichever of them changed', () => {
  const { open, write, pass, logged } = setUp({ one: '1', two: '2' })
  const settings = open()
  expect(settings.current()).toEqual([1, 2])
  write('two', '3')
  pass(1_000)
  expect(settings.current()).toEqual([1, 3])
  write('one', '4')
  pass(1_000)
  expect(settings.current()).toEqual([4, 3])
  expect(settings.fault()).toBeUndefined()
  expect(logged.map(({ msg }) => msg)).toEqual(['changed settings are taken up', 'changed settings are taken up'])
  const same = settings.current()
  pass(1_000)
  expect(settings.current()).toBe(same)
})

test('what cannot be used is said once, and the last good one stays until it is mended', () => {
  const { open, write, remove, pass, logged, file } = setUp({ one: '1' })
  const settings = open()
  write('one', 'x')
  pass(1_000)
  expect(settings.current()).toEqual([1])
  expect(settings.fault()).toBe('not a number')
  pass(1_000)
  expect(settings.current()).toEqual([1])
  remove('one')
  pass(1_000)
  expect(settings.fault()).toBe(`ONE_FILE names ${file('one')}, which does not exist`)
  expect(settings.current()).toEqual([1])
  write('one', '5')
  pass(1_000)
  expect(settings.current()).toEqual([5])
  expect(settings.fault()).toBeUndefined()
  expect(logged.map(({ fault }) => fault)).toEqual(['not a number', expect.stringContaining('does not exist'), undefined])
})

test('who follows is handed each new good value, and nothing after the end', () => {
  const { open, write, pass, waiting } = setUp({ one: '1' })
  const settings = open()
  const seen: number[][] = []
  const stop = settings.follow((value) => seen.push(value))
  pass(1_000)
  write('one', '2')
  pass(1_000)
  write('one', 'x')
  pass(1_000)
  write('one', '3')
  pass(1_000)
  expect(seen).toEqual([[2], [3]])
  stop()
  expect(waiting()).toBe(0)
})

test('files that cannot be used at first are refused', () => {
  expect(setUp({ one: 'x' }).open).toThrow(new Unacceptable('not a number'))
  const { open, remove } = setUp({ one: '1' })
  remove('one')
  expect(open).toThrow(/^ONE_FILE names .*, which does not exist$/)
})
