import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Seeded } from '../tasks/seed.ts'
import type { Bench } from './bench.ts'
import { runTask } from './task.ts'

export type SeededDirectory = Seeded & { readonly dataDir: string }

const made = new Map<string, Promise<SeededDirectory>>()

/** A data directory whose log holds so many events of operations; made once for the run and shared by its scenarios. */
export const seededDirectory = (bench: Bench, events: number): Promise<SeededDirectory> => {
  const dataDir = join(bench.shared, `seed-${events}`)
  const known = made.get(dataDir)
  if (known !== undefined) return known
  bench.say(`writing ${events.toLocaleString('en-US')} events`)
  mkdirSync(dataDir, { recursive: true })
  const seeding = runTask<Seeded>(new URL('../tasks/seed.ts', import.meta.url), { directory: dataDir, events }).then(
    (seeded) => ({
      ...seeded,
      dataDir,
    }),
  )
  made.set(dataDir, seeding)
  return seeding
}

/** How many events stand for a long history: a million, or fewer where it has to be quick. */
export const longHistory = (bench: Bench): number => bench.size(1_000_000, 30_000)
