import { type Clock, systemClock } from '../src/lib/clock.ts'

/** A clock of which everything goes `times` as fast, so that long waits of the program are short ones of a test. */
export const fastClock = (times: number): Clock => {
  const began = { now: systemClock.now(), monotonic: systemClock.monotonic() }
  const passed = (): number => (systemClock.monotonic() - began.monotonic) * times
  return {
    now: () => Math.round(began.now + passed()),
    monotonic: () => began.monotonic + passed(),
    sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
    after: (ms, run) => systemClock.after(ms / times, run),
  }
}
