import type { Command } from 'commander'
import { several } from './options.ts'

/** Names of the options, and of what the API calls so. */
export const filterNames = ['state', 'kind', 'face', 'lane', 'principal', 'schedule', 'label', 'from', 'to'] as const

export type FilterOptions = { readonly [Name in (typeof filterNames)[number]]?: string | readonly string[] }

/** For commands that find operations. */
export const withFilters = (command: Command): Command =>
  command
    .option('--state <state>', 'only these states', several)
    .option('--kind <kind>', 'only these kinds', several)
    .option('--face <face>', 'only from these faces', several)
    .option('--lane <lane>', 'only in these lanes', several)
    .option('--principal <name>', 'only requested by these principals', several)
    .option('--schedule <name>', 'only asked for by these schedules', several)
    .option('--label <label>', 'only with all of these labels: "key" or "key:value"', several)
    .option('--from <time>', 'requested at or after')
    .option('--to <time>', 'requested before')
