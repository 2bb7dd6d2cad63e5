import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { messageOf } from '../../lib/errors.ts'
import type { Position } from '../../stores/event-log.ts'
import { makeDirectory } from '../../stores/files/make-directory.ts'
import type { Projection } from '../projection.ts'
import { type Generation, openGeneration } from './generation.ts'
import { ViewDamaged } from './view-file.ts'

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

/** A view knows events that the log does not hold: they were acknowledged and are gone. */
export class ViewAhead extends Error {
  override readonly name = 'ViewAhead'
  constructor({ name, file, position, head }: { name: string; file: string; position: Position; head: Position }) {
    super(
      `the view ${name} (${file}) has reached ${position}, but the log ends at ${head}: events that were acknowledged are gone. ` +
        'Bring the log back or restore a newer backup; to go on without them, start once with --accept-loss, which keeps the view aside',
    )
  }
}

/** `walGrown` is called when the write-ahead log of a file wants a checkpoint. */
export const generationFiles = (
  projection: Projection,
  directory: string,
  {
    logger,
    walGrown,
    acceptLoss,
  }: { readonly logger: Logger; readonly walGrown: (file: string) => void; readonly acceptLoss: boolean },
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

  /** A file that cannot be read or has other tables is worth nothing: it can be made again. One that is ahead of the log is proof. */
  const reopen = (file: string, head: Position): Generation | undefined => {
    try {
      const generation = openGeneration(projection, file, walGrown)
      if (generation.position() <= head) {
        const damage = damageOf(generation)
        if (damage === undefined) return generation
        generation.close()
        throw new ViewDamaged(damage)
      }
      generation.close()
      lose(file, generation.position(), head)
      return undefined
    } catch (error) {
      if (error instanceof ViewAhead) throw error
      logger.warn({ view: name, file, reason: messageOf(error) }, 'the view cannot be opened and is rebuilt')
    }
    remove(file)
    return undefined
  }

  const lose = (file: string, position: Position, head: Position): void => {
    if (!acceptLoss) throw new ViewAhead({ name, file, position, head })
    const kept = `${file}.ahead-of-${head}`
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(`${file}${suffix}`)) renameSync(`${file}${suffix}`, `${kept}${suffix}`)
    logger.warn({ view: name, position, head, kept }, 'the view is ahead of the log: it is kept aside and made again')
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

/** A larger file is not looked through at the start; its damage is found by whoever reads it. */
const mostChecked = 64 * 1024 * 1024

/** What SQLite says about a file that is damaged. */
const damageOf = (generation: Generation): string | undefined => {
  if (statSync(generation.file).size > mostChecked) return undefined
  try {
    const found = generation.get<{ quick_check: string }>('PRAGMA quick_check(1)')?.quick_check
    return found === 'ok' ? undefined : found
  } catch (error) {
    return messageOf(error)
  }
}
