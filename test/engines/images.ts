import { readFileSync } from 'node:fs'

export type EngineName = 'eventstoredb' | 'kafka'

const compose = new URL('../../compose.yaml', import.meta.url)
const repositories: Readonly<Record<EngineName, string>> = { eventstoredb: 'eventstore/eventstore', kafka: 'apache/kafka' }

/** The image of an engine as compose.yaml names it: the one place where versions stand. */
export const imageOf = (engine: EngineName): string => {
  const found = new RegExp(`image:\\s*(${repositories[engine]}:\\S+)`).exec(readFileSync(compose, 'utf8'))?.[1]
  if (found === undefined) throw new Error(`compose.yaml names no image ${repositories[engine]}`)
  return found
}
