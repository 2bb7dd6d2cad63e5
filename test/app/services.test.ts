import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { Service } from '../../src/app/face-module.ts'
import { createServices } from '../../src/app/services.ts'
import type { Leadership } from '../../src/stores/leadership.ts'

/** Offices that several nodes stand for, in the order of their coming; a holder may lose one and stand again. */
const openOffices = () => {
  const offices = new Map<string, { holder: AbortController; over: Promise<void> }>()
  const lose = (office: string): void => offices.get(office)?.holder.abort()
  const leadership: Leadership = {
    campaign: async ({ office, signal, lead }) => {
      while (!signal.aborted) {
        const held = offices.get(office)
        if (held !== undefined) {
          await Promise.race([held.over, aborted(signal)])
          continue
        }
        const holder = new AbortController()
        const { promise: over, resolve } = Promise.withResolvers<void>()
        offices.set(office, { holder, over })
        try {
          await lead(AbortSignal.any([signal, holder.signal]))
        } finally {
          offices.delete(office)
          resolve()
        }
        // Others that wait come first.
        await new Promise(setImmediate)
      }
    },
  }
  return { leadership, lose, names: () => [...offices.keys()] }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })))

/** Two nodes with a timer on one of them at a time, and an agent on each. */
const twoNodes = (start: (node: string) => void = () => undefined) => {
  const offices = openOffices()
  const steps: string[] = []
  const note = (step: string) => async () => void steps.push(step)
  const node = (name: string) => {
    const services: readonly Service[] = [
      {
        name: 'timer',
        where: 'one',
        start: async () => {
          start(name)
          steps.push(`${name} timer starts`)
        },
        stop: note(`${name} timer stops`),
      },
      { name: 'agent', where: 'each', start: note(`${name} agent starts`), stop: note(`${name} agent stops`) },
    ]
    const { leadership } = offices
    return createServices({ face: 'tiny', services, leadership, logger: pino({ level: 'silent' }) })
  }
  return { ...offices, steps, nodes: [node('a'), node('b')] as const }
}

const settled = () => new Promise(setImmediate).then(() => new Promise(setImmediate)).then(() => new Promise(setImmediate))
const close = async (services: ReturnType<typeof createServices>): Promise<void> => {
  for (const part of services.parts) await part.close()
}

test('a service of one node runs where its office is, and moves when that node stops', async () => {
  const {
    steps,
    nodes: [a, b],
    names,
  } = twoNodes()
  await a.start()
  await b.start()
  await settled()
  expect(names()).toEqual(['tiny-timer'])
  expect(steps).toEqual(['a timer starts', 'a agent starts', 'b agent starts'])
  steps.length = 0
  await close(a)
  await settled()
  expect(steps).toEqual(expect.arrayContaining(['a timer stops', 'a agent stops', 'b timer starts']))
  expect(steps.indexOf('a timer stops')).toBeLessThan(steps.indexOf('b timer starts'))
  steps.length = 0
  await close(b)
  expect(steps).toEqual(['b timer stops', 'b agent stops'])
  expect(names()).toEqual([])
})

test('it stops where the office is lost, and starts again where it comes back', async () => {
  const {
    steps,
    nodes: [a, b],
    lose,
  } = twoNodes()
  await a.start()
  await b.start()
  await settled()
  steps.length = 0
  lose('tiny-timer')
  await settled()
  lose('tiny-timer')
  await settled()
  expect(steps).toEqual(['a timer stops', 'b timer starts', 'b timer stops', 'a timer starts'])
  await close(b)
  await close(a)
  expect(steps.at(-2)).toBe('a timer stops')
})

test('what does not start is stopped, and keeps neither its node nor the other one from running', async () => {
  const {
    steps,
    nodes: [a, b],
    names,
  } = twoNodes((node) => {
    if (node === 'a') throw new Error('no timer here')
  })
  await a.start()
  await b.start()
  await settled()
  expect(steps.toSorted()).toEqual(['a agent starts', 'a timer stops', 'b agent starts', 'b timer starts'])
  await close(a)
  await close(b)
  expect(names()).toEqual([])
})
