import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { warningsIn } from './warnings.ts'

const stderrOf = (script: string): string => spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stderr

test.each([
  ['setTimeout(() => {}, -Date.now())', /^TimeoutNegativeWarning: /],
  ['new Buffer(1)', /^DeprecationWarning: /],
  [
    "const e = new (require('node:events'))(); for (let n = 0; n < 11; n++) e.on('x', () => {})",
    /^MaxListenersExceededWarning: /,
  ],
])('what Node warns of on %s is found', (script, warning) => {
  expect(warningsIn(stderrOf(script))).toEqual([expect.stringMatching(warning)])
})

test('other lines are none', () => {
  expect(warningsIn(stderrOf("console.error('(node) Warning: no', 'Warning: no')"))).toEqual([])
})
