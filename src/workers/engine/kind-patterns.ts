import { Unacceptable } from '../../lib/errors.ts'

/** Kinds as they are chosen on a command line: names with commas between, and `crawling.*` for all that begin so. */
export interface KindPatterns {
  matches(kind: string): boolean
  /** Whether some kind could match whose name begins so. */
  touches(beginning: string): boolean
  /** Those that match none of the kinds. */
  idle(kinds: readonly string[]): readonly string[]
}

/** Throws `Unacceptable` if the text is not a list of kinds. */
export const parseKindPatterns = (text: string): KindPatterns => {
  const patterns = text.split(',').map((pattern) => pattern.trim())
  const wrong = patterns.find((pattern) => !/^([\w.-]+\*?|\*)$/.test(pattern))
  if (wrong !== undefined) throw new Unacceptable(`"${wrong}" is not a kind of work; for several kinds write 'crawling.*,probe'`)
  const tests = patterns.map((pattern) => ({ pattern, test: testOf(pattern) }))
  return {
    matches: (kind) => tests.some(({ test }) => test(kind)),
    touches: (beginning) => patterns.some((pattern) => isTouched(pattern, beginning)),
    idle: (kinds) => tests.filter(({ test }) => !kinds.some(test)).map(({ pattern }) => pattern),
  }
}

const testOf = (pattern: string): ((kind: string) => boolean) => {
  if (!pattern.endsWith('*')) return (kind) => kind === pattern
  const beginning = pattern.slice(0, -1)
  return (kind) => kind.startsWith(beginning)
}

const isTouched = (pattern: string, beginning: string): boolean =>
  pattern.startsWith(beginning) || (pattern.endsWith('*') && beginning.startsWith(pattern.slice(0, -1)))
