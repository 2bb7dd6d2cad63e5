import type { Environment } from './lib/environment.ts'

/** The variables of this process that are set. An empty value is an unset one, as shells and compose files make them. */
export const setVariables = (environment: Environment = process.env): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  )
