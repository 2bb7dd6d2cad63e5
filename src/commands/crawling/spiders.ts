import { randomFraction } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'

/** How a spider goes on from a page, and what its items say. Source: crawling contract, section 6.4. */
interface Habits {
  /** Whether links of a page at this depth are followed; a seed has depth 0. */
  readonly goesOn: (depth: number, maxdepth: number) => boolean
  /** Which of the links that the crawl's filter lets through: all, which the item lists, or the one at a fraction of them. */
  readonly chooses: () => 'all' | number
  readonly attrs: (fed: JsonObject | null, depth: number) => JsonObject | null
}

/** Follows every link, down to the depth that was asked for. */
const link: Habits = {
  goesOn: (depth, maxdepth) => depth < maxdepth,
  chooses: () => 'all',
  attrs: (fed) => fed,
}

/** Follows one link of each page, whichever, until a page has none or it has seen it; counts its steps in the items. */
const wandering: Habits = {
  goesOn: () => true,
  chooses: randomFraction,
  attrs: (fed, depth) => ({ ...fed, step: depth }),
}

const habits: Readonly<Record<string, Habits>> = { link, wandering }

/** The spiders that this program brings along. */
export const spiders: readonly string[] = Object.keys(habits)

export const habitsOf = (spiderid: string): Habits => (Object.hasOwn(habits, spiderid) ? habits[spiderid] : undefined) ?? link
