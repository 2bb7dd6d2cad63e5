import { join } from 'node:path'

/** Where everything stands in DATA_DIR. */
export const dataDirectory = (directory: string) => ({
  directory,
  log: join(directory, 'log.db'),
  views: join(directory, 'views'),
  blobs: join(directory, 'blobs'),
  key: join(directory, 'secrets.key'),
  credentials: join(directory, 'credentials.json'),
  /** Manifests of kinds of one's own. */
  kinds: join(directory, 'kinds'),
  /** Folders of programs that run. */
  programs: join(directory, 'programs'),
  /** Clones and checkouts of templates, and work directories of the services made of them. */
  robot: join(directory, 'robot'),
  /** What a restore has written and not put into its place yet. */
  restoring: join(directory, 'restoring'),
})
