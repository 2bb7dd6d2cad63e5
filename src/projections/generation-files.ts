import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { messageOf } from '../lib/errors.ts'
import type { Position } from '../stores/event-log.ts'
import { makeDirectory } from '../stores/make-directory.ts'
import { type Generation, openGeneration } from './generation.ts'
import type { Projection } from './projection.ts'

/** The copies of one view, files `<name>-v<version>-<generation>.db`. */
export interface GenerationFiles {
  /** The newest complete copy (or the one that is being filled for the first time) and a rebuild that was interrupted. */
  open(head: Position): { readonly current: Generation; readonly unfinished: Generation | undefined }
  /** A new empty copy beside the others. */
  create(): Generation
  /** Closes a copy and deletes its file. */
  discard(generation: Generation): void
  /** Deletes every file of the view but these: older copies and older versions. */
  keepOnly(generations: readonly Generation[]): void
}

const inMemory = ':memory:'

/** `walGrown` is called when the write-ahead log of a file wants a checkpoint. */
export const generationFiles = (
  projection: Projection,
  directory: string,
  { logger, walGrown }: { readonly logger: Logger; readonly walGrown: (file: string) => void },
): GenerationFiles => {
  const { name, version } = projection
  const memory = directory === inMemory
  let last = 0

  const found = (): readonly { file: string; version: number; generation: number }[] =>
    memory
      ? []
      : readdirSync(directory).flatMap((entry) => {
          const match = /^(.+)-v(\d+)-(\d+)\.db$/.exec(entry)
          return match?.[1] === name
            ? [{ file: join(directory, entry), version: Number(match[2]), generation: Number(match[3]) }]
            : []
        })

  const remove = (file: string): void => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
  }

  const create = (): Generation => {
    last++
    return openGeneration(projection, memory ? inMemory : join(directory, `${name}-v${version}-${last}.db`), walGrown)
  }

  const discard = (generation: Generation): void => {
    generation.close()
    if (!memory) remove(generation.file)
  }

  /** A file that cannot be read, has other tables or knows more than the log is worth nothing: it can be made again. */
  const reopen = (file: string, head: Position): Generation | undefined => {
    try {
      const generation = openGeneration(projection, file, walGrown)
      if (generation.position() <= head) return generation
      generation.close()
      logger.warn({ view: name, file, position: generation.position(), head }, 'the view is ahead of the log and is made again')
    } catch (error) {
      logger.warn({ view: name, file, reason: messageOf(error) }, 'the view cannot be opened and is made again')
    }
    remove(file)
    return undefined
  }

  return {
    create,
    discard,
    open: (head) => {
      if (!memory) makeDirectory(directory)
      const files = found().filter((entry) => entry.version === version)
      last = Math.max(0, ...files.map(({ generation }) => generation))
      const opened = files.sort((a, b) => b.generation - a.generation).flatMap(({ file }) => reopen(file, head) ?? [])
      const current = opened.find((generation) => generation.complete()) ?? opened[0] ?? create()
      const newest = opened[0]
      const unfinished = newest !== undefined && newest !== current ? newest : undefined
      for (const generation of opened) if (generation !== current && generation !== unfinished) discard(generation)
      return { current, unfinished }
    },
    keepOnly: (generations) => {
      const kept = new Set(generations.map(({ file }) => file))
      for (const { file } of found()) if (!kept.has(file)) remove(file)
    },
  }
}
