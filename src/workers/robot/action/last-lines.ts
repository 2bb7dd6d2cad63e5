import { tracebackLines } from '../../../commands/robot/eco.ts'

/** Characters that are kept of the lines together. */
const mostCharacters = 65_536

/** Keeps the last lines of a text that comes in pieces. */
export const createLastLines = () => {
  let kept = ''
  return {
    add: (text: string): void => {
      kept = `${kept}${text}`.slice(-mostCharacters)
    },
    /** The last 30. */
    all: (): readonly string[] => {
      const lines = kept.replace(/\r?\n$/, '').split(/\r?\n/)
      return kept === '' ? [] : lines.slice(-tracebackLines)
    },
  }
}
