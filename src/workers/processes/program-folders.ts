import { mkdir, readdir, readFile, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/** What is on record of a program that was started. */
const ProgramRecord = z.object({
  pid: z.number().int().positive(),
  startTime: z.string(),
  /** A pid and a start time mean nothing after the machine was started again. */
  boot: z.string(),
  /** The next server leaves it running, and its folder in place. */
  lasting: z.boolean().optional(),
})
export type ProgramRecord = z.infer<typeof ProgramRecord>

/** The folder of one program, its own. */
export interface ProgramFolder {
  readonly path: string
  /** Empty at first; the program starts there. */
  readonly work: string
  readonly home: string
  readonly temporary: string
  /** Written where the program could not be executed. */
  readonly failed: string
  /** The exit code of a lasting program. */
  readonly code: string
  readonly stdin: string
}

const recordName = 'process.json'
const ownerOnly = 0o700

/** The folder at a path; it need not be there. */
export const folderAt = (path: string): ProgramFolder => ({
  path,
  work: join(path, 'work'),
  home: join(path, 'home'),
  temporary: join(path, 'tmp'),
  failed: join(path, 'not-executed'),
  code: join(path, 'exit-code'),
  stdin: join(path, 'stdin'),
})

/** Makes the folder of a program, empty whatever was there. Throws what the file system throws. */
export const makeFolder = async (directory: string, name: string): Promise<ProgramFolder> => {
  const folder = folderAt(join(directory, name))
  const make = (): Promise<unknown> => mkdir(folder.path, { mode: ownerOnly })
  await make().catch(async () => {
    await rm(folder.path, { recursive: true, force: true })
    await mkdir(directory, { recursive: true, mode: ownerOnly })
    await make()
  })
  await Promise.all([folder.work, folder.home, folder.temporary].map((inside) => mkdir(inside, { mode: ownerOnly })))
  return folder
}

/**
 * Not flushed to the disk: it is read after this process was killed, and what a crash of the machine loses is the record of a process that
 * the same crash has ended.
 */
export const writeRecord = ({ path }: ProgramFolder, record: ProgramRecord): Promise<void> =>
  writeFile(join(path, recordName), JSON.stringify(record), { mode: 0o600 })

/** Undefined where the program was never let go, or the record was cut off by a crash of the machine. */
export const readRecord = async ({ path }: ProgramFolder): Promise<ProgramRecord | undefined> => {
  try {
    return ProgramRecord.safeParse(JSON.parse(await readFile(join(path, recordName), 'utf8'))).data
  } catch {
    return undefined
  }
}

/** Most programs leave nothing, and their folders cost a third of a recursive removal. */
export const removeFolder = async ({ path, work, home, temporary }: ProgramFolder): Promise<void> => {
  try {
    await Promise.all([...[work, home, temporary].map((inside) => rmdir(inside)), unlink(join(path, recordName))])
    await rmdir(path)
  } catch {
    await rm(path, { recursive: true, force: true })
  }
}

/** The folders of all programs. */
export const foldersIn = async (directory: string): Promise<readonly ProgramFolder[]> => {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.map((name) => folderAt(join(directory, name)))
}
