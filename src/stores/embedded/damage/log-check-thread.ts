import { setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { checkWhole, type Step } from './whole-log-check.ts'

/** It rests three times as long as it works. */
const restPerWork = 3
const longestRestMs = 500
const lowestPriority = 19
const never = new Int32Array(new SharedArrayBuffer(4))

const rested: Step = (work) => {
  const begun = performance.now()
  const result = work()
  Atomics.wait(never, 0, 0, Math.min(longestRestMs, restPerWork * (performance.now() - begun)))
  return result
}

/** On Linux the thread's own priority; where that cannot be changed it still rests. */
const stepBack = (): void => {
  try {
    setPriority(0, lowestPriority)
  } catch {
    // It only takes longer then.
  }
}

const port = parentPort
if (port !== null) {
  stepBack()
  checkWhole(String(workerData), (damage) => port.postMessage(damage), rested)
}
