import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench, Scenario } from './lib/bench.ts'
import type { Figure } from './lib/figure.ts'
import { startLoadGenerator } from './lib/load.ts'
import { printTable } from './lib/table.ts'
import { acknowledge } from './scenarios/b1-acknowledge.ts'
import { slowDiskReads } from './scenarios/b1-slow-disk.ts'
import { throughput } from './scenarios/b2-throughput.ts'
import { completion } from './scenarios/b3-completion.ts'
import { read } from './scenarios/b4-read.ts'
import { append } from './scenarios/b5-append.ts'
import { follow } from './scenarios/b6-follow.ts'
import { rebuild } from './scenarios/b7-rebuild.ts'
import { start } from './scenarios/b8-start.ts'
import { memory } from './scenarios/b9-memory.ts'
import { growth } from './scenarios/b10-growth.ts'
import { crawl } from './scenarios/b11-crawl.ts'
import { past } from './scenarios/b12-past.ts'
import { programs } from './scenarios/b13-programs.ts'
import { schedules } from './scenarios/b14-schedules.ts'
import { hosts } from './scenarios/b15-hosts.ts'
import { engines } from './scenarios/e1-engines.ts'

const scenarios: readonly Scenario[] = [
  acknowledge,
  slowDiskReads,
  throughput,
  completion,
  read,
  append,
  follow,
  rebuild,
  start,
  memory,
  growth,
  crawl,
  past,
  programs,
  schedules,
  hosts,
  engines,
]

const usage = `npm run bench -- [--only B2,B3] [--quick] [--rounds N] [--keep]

Measures this checkout beside its floors and peers: one JSON line per figure on standard output, a table on standard error.
The peers are installed by "npm --prefix bench install"; BullMQ needs a redis-server too. What is not there is skipped.

  --only    the scenarios to measure: ${[...new Set(scenarios.map(({ id }) => id))].join(', ')}
  --quick   about a minute for everything: fewer requests, one round
  --rounds  how often each is measured; the median counts (default 5, quick 1)
  --keep    leave the data directories and logs where they are`

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

// What was started dies with this process, also where it is told to end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    console.error(`ended by ${signal}`)
    process.exit(1)
  })

const say = (line: string): void => console.error(line)

const measure = async (): Promise<boolean> => {
  const [processor] = cpus()
  say(`${cpus().length} × ${processor?.model}, Node.js ${process.version}, load ${loadavg()[0]?.toFixed(1)} before the start`)
  // On the disk of the checkout: the system's directory for temporary files may be memory.
  const data = new URL('data/', import.meta.url).pathname
  mkdirSync(data, { recursive: true })
  const directory = mkdtempSync(join(data, 'run-'))
  const only = options.only?.toUpperCase().split(',')
  const figures: Figure[] = []
  let broken = false
  await using load = startLoadGenerator()
  for (const scenario of scenarios.filter(({ id }) => only?.includes(id) ?? true)) {
    say(`${scenario.id}: ${scenario.title}`)
    const made: string[] = []
    const bench: Bench = {
      quick: options.quick,
      rounds: Number(options.rounds ?? (options.quick ? 1 : 5)),
      load,
      shared: directory,
      scratch: (name) => {
        const path = join(directory, `${scenario.id}-${made.length}-${name}`)
        made.push(path)
        mkdirSync(path, { recursive: true })
        return path
      },
      size: (full, quick) => (options.quick ? quick : full),
      say: (line) => say(`  ${line}`),
    }
    try {
      for await (const figure of scenario.run(bench)) {
        figures.push(figure)
        console.log(JSON.stringify(figure))
      }
    } catch (error) {
      broken = true
      say(`  ${scenario.id} broke off: ${error instanceof Error ? error.stack : error}`)
    }
    if (!options.keep && !broken) for (const path of made) rmSync(path, { recursive: true, force: true })
  }
  printTable(figures, say)
  if (options.keep || broken) say(`data and logs: ${directory}`)
  else rmSync(directory, { recursive: true, force: true })
  return !broken
}

if (options.help) say(usage)
else process.exit((await measure()) ? 0 : 1)
