import { randomFraction } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Link } from './links.ts'

/** How a spider goes on from a page, and what its items say. Source: crawling contract, section 6.4. */
interface Habits {
  /** Whether links of a page at this depth are followed; a seed has depth 0. */
  readonly goesOn: (depth: number, maxdepth: number) => boolean
  /** Which of the links that the crawl's filter lets through. */
  readonly choose: (links: readonly Link[]) => readonly Link[]
  /** What an item lists of the chosen ones. */
  readonly listed: (links: readonly Link[]) => readonly Link[]
  readonly attrs: (fed: JsonObject | null, depth: number) => JsonObject | null
}

/** Follows every link, down to the depth that was asked for. */
const link: Habits = {
  goesOn: (depth, maxdepth) => depth < maxdepth,
  choose: (links) => links,
  listed: (links) => links,
  attrs: (fed) => fed,
}

/** Follows one link of each page, whichever, until a page has none or it has seen it; counts its steps in the items. */
const wandering: Habits = {
  goesOn: () => true,
  choose: (links) => {
    const index = Math.floor(randomFraction() * links.length)
    return links.slice(index, index + 1)
  },
  listed: () => [],
  attrs: (fed, depth) => ({ ...fed, step: depth }),
}

const habits: Readonly<Record<string, Habits>> = { link, wandering }

/** The spiders that this program brings along. */
export const spiders: readonly string[] = Object.keys(habits)

export const habitsOf = (spiderid: string): Habits => (Object.hasOwn(habits, spiderid) ? habits[spiderid] : undefined) ?? link
