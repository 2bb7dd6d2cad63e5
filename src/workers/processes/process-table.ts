import { readdirSync, readFileSync } from 'node:fs'

/** What the system says of a process. Linux only: elsewhere there is no `/proc`, and nothing is known of any process. */
export interface SystemProcess {
  readonly pid: number
  /** `Z`: it has ended, and its parent has not asked for its outcome. */
  readonly state: string
  readonly group: number
  readonly session: number
  /** Clock ticks between the start of the machine and that of the process: with the pid and the boot it names one process for ever. */
  readonly startTime: string
}

/** Undefined where there is no such process. */
export const processOf = (pid: number): SystemProcess | undefined => {
  const stat = textOf(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The second field is the name of the program in parentheses, which may hold blanks and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = '', , group, session] = fields
  return { pid, state, group: Number(group), session: Number(session), startTime: fields[19] ?? '' }
}

/** Every process of a group that has not ended. */
export const membersOf = (group: number): readonly SystemProcess[] =>
  allPids()
    .map(processOf)
    .filter((process) => process !== undefined)
    .filter((process) => process.group === group && process.state !== 'Z' && process.state !== 'X')

/** Names the time from a start of the machine to its end; empty where the system has no name for it. */
export const bootId = (): string => textOf('/proc/sys/kernel/random/boot_id')?.trim() ?? ''

/** Whether a text stands in the environment that a process was started with; false where that cannot be read. */
export const isInEnvironment = (pid: number, text: string): boolean =>
  textOf(`/proc/${pid}/environ`)
    ?.split('\0')
    .some((variable) => variable.includes(text)) ?? false

/** Every process in whose environment a text stands, and that has not ended. */
export const withEnvironment = (text: string): readonly SystemProcess[] =>
  allPids()
    .filter((pid) => isInEnvironment(pid, text))
    .map(processOf)
    .filter((process) => process !== undefined)
    .filter(({ state }) => state !== 'Z' && state !== 'X')

const allPids = (): readonly number[] => {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

const textOf = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
