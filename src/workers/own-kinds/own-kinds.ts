import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Logger } from 'pino'
import type { BlobFiles } from '../../commands/blob-files.ts'
import type { FaultyKind, Kinds } from '../../commands/kind.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { isObject, type JsonValue } from '../../lib/json.ts'
import type { Processes } from '../processes/processes.ts'
import type { Work } from '../work.ts'
import { type ManifestFault, parseManifest } from './manifest.ts'
import { ownWork } from './own-work.ts'

/** How soon a changed manifest is noticed; the contract has 5 s. */
const lookMs = 1_000
const mostManifests = 1_000
const mostBytes = 1024 * 1024
const ending = '.json'

/** What a file holds, as it was when its mark was taken. */
interface Read {
  readonly mark: string
  readonly kind: string
  /** Whether the manifest tells its kind, and not its name alone. */
  readonly isTold: boolean
  readonly description: string
  readonly found: Work | ManifestFault
}

/**
 * Kinds of one's own: the manifests of a folder, which are read again when they change. Resolves when the folder was read once; it is looked
 * at until `signal` aborts. A folder that is missing holds no kinds. Source: native contract, section 9.
 */
export const openOwnKinds = async ({
  directory: given,
  processes,
  blobFiles,
  clock,
  logger,
  signal,
}: {
  readonly directory: string
  readonly processes: Processes
  readonly blobFiles: BlobFiles
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}): Promise<Kinds<Work>> => {
  const directory = resolve(given)
  const listeners: (() => void)[] = []
  let files: ReadonlyMap<string, Read> = new Map()
  let works: ReadonlyMap<string, Work> = new Map()
  let faulty: readonly FaultyKind[] = []
  let complaint: string | undefined
  let cancel: (() => void) | undefined

  const read = async (file: string, mark: string): Promise<Read> => {
    const name = file.slice(0, -ending.length)
    const failed = (pointer: string, message: string): Read => ({
      mark,
      kind: name,
      isTold: false,
      description: '',
      found: { pointer, message },
    })
    if (mark.startsWith(unreadable)) return failed('', mark)
    try {
      const bytes = await readFile(join(directory, file))
      if (bytes.length > mostBytes) return failed('', `it has more than ${mostBytes} bytes`)
      const parsed = parseManifest(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
      const told = namesIn(parsed.value, name)
      if ('fault' in parsed) return { mark, ...told, found: parsed.fault }
      const { inputOf } = await import('./input-schema.ts')
      const { manifest } = parsed
      const checked = inputOf(manifest)
      if (checked.fault !== undefined) return { mark, ...told, found: checked.fault }
      return {
        mark,
        ...told,
        found: ownWork({ manifest, input: checked.input, folder: directory, processes, blobFiles }) as Work,
      }
    } catch (error) {
      return failed('', messageOf(error))
    }
  }

  const look = async (): Promise<void> => {
    const names = await namesOf(directory)
    const seen = await Promise.all(
      names.slice(0, mostManifests).map(async (file) => [file, await markOf(join(directory, file))] as const),
    )
    const present = seen.filter((one): one is readonly [string, string] => one[1] !== undefined)
    const isSame = present.length === files.size && present.every(([file, mark]) => files.get(file)?.mark === mark)
    if (isSame) return
    const known = files
    files = new Map(
      await Promise.all(
        present.map(async ([file, mark]) => {
          const old = known.get(file)
          return [file, old?.mark === mark ? old : await read(file, mark)] as const
        }),
      ),
    )
    arrange()
    if (names.length > mostManifests) logger.warn({ directory }, `only the first ${mostManifests} manifests are read`)
    for (const listener of listeners) listener()
  }

  /** Two manifests with one kind are both faulty. */
  const arrange = (): void => {
    const claimed = new Map<string, string[]>()
    for (const [file, { kind, isTold }] of files) if (isTold) claimed.set(kind, [...(claimed.get(kind) ?? []), file])
    const sound = new Map<string, Work>()
    const faults: FaultyKind[] = []
    for (const [file, { kind, description, found }] of files) {
      const others = claimed.get(kind)?.filter((other) => other !== file) ?? []
      if ('run' in found && others.length === 0) {
        sound.set(kind, found)
        continue
      }
      const fault = 'run' in found ? { pointer: '/kind', message: `${others.join(', ')} has the same kind` } : found
      faults.push({ kind, description, fault: { file, ...fault } })
    }
    for (const { fault } of faults)
      if (!faulty.some((old) => old.fault.file === fault.file && old.fault.message === fault.message))
        logger.warn(fault, 'a manifest in KINDS_DIR is faulty')
    works = sound
    faulty = faults
  }

  const lookInTime = async (): Promise<void> => {
    try {
      await look()
      complaint = undefined
    } catch (error) {
      if (complaint !== messageOf(error)) logger.error({ err: error, directory }, 'KINDS_DIR cannot be read')
      complaint = messageOf(error)
    }
    if (!signal.aborted) cancel = clock.after(lookMs, () => void lookInTime())
  }
  signal.addEventListener('abort', () => cancel?.(), { once: true })
  await lookInTime()

  return {
    get all() {
      return [...works.values()]
    },
    get: (kind) => works.get(kind),
    get faulty() {
      return faulty
    },
    mayCome: true,
    onChange: (listener) => {
      listeners.push(listener)
    },
  }
}

/** What a manifest says of itself, however faulty it is. */
const namesIn = (value: JsonValue | undefined, name: string): Pick<Read, 'kind' | 'isTold' | 'description'> => {
  const { kind, description } = isObject(value) ? value : {}
  const isTold = typeof kind === 'string' && kind !== ''
  return {
    kind: isTold ? kind.slice(0, 200) : name,
    isTold,
    description: typeof description === 'string' ? description.slice(0, 10_000) : '',
  }
}

/** Hidden files are those that editors and mounted configurations keep beside the real ones. */
const namesOf = async (directory: string): Promise<readonly string[]> => {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith(ending) && !name.startsWith('.')).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const unreadable = 'it cannot be read: '

/** What tells one state of a file from another; undefined where there is no file. */
const markOf = async (file: string): Promise<string | undefined> => {
  try {
    const entry = await stat(file, { bigint: true })
    return entry.isFile() ? `${entry.ino}-${entry.size}-${entry.mtimeNs}-${entry.ctimeNs}` : undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : `${unreadable}${messageOf(error)}`
  }
}
