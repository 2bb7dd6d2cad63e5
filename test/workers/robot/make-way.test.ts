import { expect, test } from 'vitest'
import type { ServiceOperation } from '../../../src/projections/robot/services.ts'
import { inTheWay } from '../../../src/workers/robot/lifecycle/make-way.ts'

const one = (operation: string, kind: string, phase: 'waiting' | 'active', seq: number): ServiceOperation => ({
  ...{ operation, service: 'service', kind: `robot.${kind}`, phase, seq },
  created: 1_000,
})
const held = one('held', 'validate', 'active', 1)
const running = one('running', 'action', 'active', 2)
const waiting = one('waiting', 'action', 'waiting', 3)
const earlier = one('earlier', 'upgrade', 'waiting', 4)
const upgrade = one('upgrade', 'upgrade', 'waiting', 5)
const own = one('own', 'validate', 'waiting', 6)
const deletion = one('deletion', 'delete', 'waiting', 7)
const all = [held, running, waiting, earlier, upgrade, own]

const at = (seconds: number, runsOut = false) => ({ now: seconds * 1000, runsOut: () => runsOut })

test('an upgrade takes the place of an earlier validation, and lets the running task run for 300 s', () => {
  expect(inTheWay(upgrade, all, at(1_000))).toEqual([held])
  expect(inTheWay(upgrade, all, at(1_300))).toEqual([held])
  expect(inTheWay(upgrade, all, at(1_301))).toEqual([held, running])
})

test('a deletion ends everything that runs or waits', () => {
  expect(inTheWay(deletion, [...all, deletion], at(1_000))).toEqual([held, running, waiting, earlier, upgrade, own])
})

test('a deletion with delete actions lets the running task end', () => {
  expect(inTheWay(deletion, all, at(1_000, true))).toEqual([held, waiting, earlier, upgrade, own])
})

test('an upgrade that runs is left to end', () => {
  expect(inTheWay(deletion, [{ ...upgrade, phase: 'active' }], at(1_000))).toEqual([])
})
