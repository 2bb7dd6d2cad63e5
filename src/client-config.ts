import { setVariables } from './set-variables.ts'

/** What the commands of the terminal take from the environment: they start without the settings of the server. */
export interface ClientConfig {
  readonly url: string
  readonly token: string | undefined
  readonly dataDir: string
  /** Where it is not in the data directory. */
  readonly credentialsFile: string | undefined
}

export const loadClientConfig = (): ClientConfig => {
  const given = setVariables()
  return {
    url: given.INTENDANT_URL ?? 'http://127.0.0.1:8080',
    token: given.INTENDANT_TOKEN,
    dataDir: given.DATA_DIR ?? './data',
    credentialsFile: given.CREDENTIALS_FILE,
  }
}
