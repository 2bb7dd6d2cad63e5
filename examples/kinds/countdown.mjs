#!/usr/bin/env node
import { env, exit } from 'node:process'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

const { from, stepMs = 10, password } = JSON.parse(await text(process.stdin))

// A cancellation and a time-out send TERM, and KILL five seconds later.
process.once('SIGTERM', () => {
  console.error('tidied up')
  exit(1)
})

// Secrets of the input are masked in everything that is printed.
if (password !== undefined) console.log(`the password is ${password}`)
for (let left = from; left > 0; left--) {
  console.log(left)
  console.log(JSON.stringify({ progress: { fraction: 1 - left / from, detail: `${left} to go` } }))
  await sleep(stepMs)
}
// biome-ignore lint/style/noProcessEnv: the manifest says what stands there
console.log(JSON.stringify({ said: env.GREETING }))
