import type { Projection } from '../projection.ts'
import { crawlingCounters } from './counters.ts'
import { crawlingItems } from './items.ts'
import { crawlingPages } from './pages.ts'

/** Every view of the crawling core; the face adds its own. */
export const crawlingProjections: readonly Projection[] = [crawlingPages, crawlingItems, crawlingCounters]
