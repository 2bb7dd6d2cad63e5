import { RE2JS } from 're2js'
import { messageOf } from '../../../lib/errors.ts'

/** A pattern that is searched for anywhere in a text, in time linear in its length. */
export interface Pattern {
  found(text: string): boolean
  /** The size of its program: matching takes at most this many steps for each character. */
  readonly instructions: number
}

/** Longest accepted pattern; no real URL filter is longer. */
const maxPatternLength = 10_000
/** Most steps of a pattern: this many take half a second at worst for the longest address. */
const maxInstructions = 3_000

class Unsupported extends Error {}

/**
 * A pattern in the syntax of Python's `re`. What a linear-time engine cannot do (look-around, back-references, conditional and
 * atomic groups, possessive repetition) and what is no valid pattern gives `error`, with the reason.
 */
export const compilePattern = (source: string): Pattern | { readonly error: string } => {
  try {
    if (source.length > maxPatternLength) throw new Unsupported(`longer than ${maxPatternLength} characters`)
    const { pattern, flags } = translate(source)
    const compiled = RE2JS.compile(flags === '' ? pattern : `(?${flags})${pattern}`)
    const instructions = compiled.programSize()
    if (instructions > maxInstructions)
      throw new Unsupported(`it becomes a program of ${instructions} instructions, more than ${maxInstructions}`)
    return { found: (text) => compiled.test(text), instructions }
  } catch (error) {
    const shown = source.length > 100 ? `${source.slice(0, 100)}…` : source
    return { error: `the pattern ${JSON.stringify(shown)} cannot be used: ${messageOf(error)}` }
  }
}

/** Escapes that mean the same in both dialects. */
const sameEscapes = new Set('AbBdDwWsSfnrtv')

interface Cursor {
  readonly source: string
  at: number
}

/** Python's dialect as RE2's. Flags that Python takes anywhere for the whole pattern are gathered. */
const translate = (source: string): { pattern: string; flags: string } => {
  const flags = globalFlags(source)
  const verbose = flags.has('x')
  const cursor: Cursor = { source, at: 0 }
  let pattern = ''
  while (cursor.at < source.length) {
    const char = source[cursor.at] as string
    if (char === '\\') pattern += escapeSequence(cursor, false)
    else if (char === '[') pattern += characterClass(cursor)
    else if (char === '(') pattern += groupStart(cursor)
    else if (char === '{') pattern += repetition(cursor)
    else if (verbose && /\s/.test(char)) cursor.at++
    else if (verbose && char === '#') skipTo(cursor, '\n')
    else {
      pattern += char
      cursor.at++
    }
  }
  return { pattern, flags: ['i', 'm', 's'].filter((flag) => flags.has(flag)).join('') }
}

const skipTo = (cursor: Cursor, end: string): void => {
  const found = cursor.source.indexOf(end, cursor.at)
  cursor.at = found < 0 ? cursor.source.length : found + end.length
}

/** Letters of every `(?imsxauL)` of a pattern; `(?i:…)` is local and stays where it is. */
const globalFlags = (source: string): Set<string> => {
  const found = new Set<string>()
  // Escapes and classes are stepped over, so that `\(?i)` and `[(?i)]` set nothing.
  for (const match of source.matchAll(/\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\(\?([aiLmsux]+)\)/g)) {
    for (const flag of match[1] ?? '') found.add(flag)
  }
  return found
}

const codePoint = (value: number): string => `\\x{${value.toString(16)}}`

const hexEscapes: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

const escapeSequence = (cursor: Cursor, inClass: boolean): string => {
  const { source, at } = cursor
  const letter = source[at + 1]
  if (letter === undefined) throw new Unsupported('it ends in a backslash')
  cursor.at = at + 2
  if (letter === 'Z' && !inClass) return '\\z'
  if (letter === 'a') return '\\x07'
  if (letter === 'b' && inClass) return '\\x08'
  if (/[0-7]/.test(letter)) {
    const octal = /^(0[0-7]{0,2}|[0-3][0-7]{2})/.exec(source.slice(at + 1, at + 4))?.[0]
    if (octal !== undefined) {
      cursor.at = at + 1 + octal.length
      return codePoint(Number.parseInt(octal, 8))
    }
  }
  if (/\d/.test(letter)) throw new Unsupported('back-references are not supported')
  const digits = hexEscapes[letter]
  if (digits !== undefined) {
    const hex = source.slice(at + 2, at + 2 + digits)
    if (hex.length !== digits || !/^[0-9A-Fa-f]+$/.test(hex)) throw new Unsupported(`bad escape \\${letter}`)
    cursor.at = at + 2 + digits
    return codePoint(Number.parseInt(hex, 16))
  }
  if (/[A-Za-z]/.test(letter)) {
    if (!sameEscapes.has(letter) || (inClass && 'AB'.includes(letter))) throw new Unsupported(`bad escape \\${letter}`)
    return `\\${letter}`
  }
  // Any other character stands for itself; RE2 takes a backslash before ASCII punctuation only.
  const [char = letter] = source.slice(at + 1)
  cursor.at = at + 1 + char.length
  return /[!-/:-@[-`{-~]/.test(char) ? `\\${char}` : char
}

const characterClass = (cursor: Cursor): string => {
  const { source } = cursor
  let out = '['
  cursor.at++
  if (source[cursor.at] === '^') {
    out += '^'
    cursor.at++
  }
  // A bracket that comes first is one of the characters.
  if (source[cursor.at] === ']') {
    out += '\\]'
    cursor.at++
  }
  for (;;) {
    const char = source[cursor.at]
    if (char === undefined) throw new Unsupported('a character set has no end')
    if (char === '\\') {
      out += escapeSequence(cursor, true)
      continue
    }
    cursor.at++
    if (char === ']') return `${out}]`
    // Python knows no [:classes:]; its [ in a set is a bracket.
    out += char === '[' ? '\\[' : char
  }
}

const groupStart = (cursor: Cursor): string => {
  const { source, at } = cursor
  const rest = source.slice(at, at + 80)
  const took = (length: number, out: string): string => {
    cursor.at = at + length
    return out
  }
  if (!rest.startsWith('(?')) return took(1, '(')
  if (rest.startsWith('(?#')) {
    skipTo(cursor, ')')
    return ''
  }
  if (rest.startsWith('(?P<') || rest.startsWith('(?:')) return took(rest[2] === ':' ? 3 : 4, rest[2] === ':' ? '(?:' : '(?P<')
  const global = /^\(\?[aiLmsux]+\)/.exec(rest)
  if (global) return took(global[0].length, '')
  const local = /^\(\?([aiLmsux]*)(?:-([imsx]+))?:/.exec(rest)
  if (local) {
    const [whole, on = '', off = ''] = local
    if ((on + off).includes('x')) throw new Unsupported('verbose groups are not supported')
    const kept = on.replace(/[auL]/g, '')
    return took(whole.length, `(?${kept}${off === '' ? '' : `-${off}`}:`)
  }
  if (/^\(\?(=|!|<=|<!)/.test(rest)) throw new Unsupported('look-ahead and look-behind are not supported')
  if (rest.startsWith('(?P=')) throw new Unsupported('back-references are not supported')
  if (rest.startsWith('(?(')) throw new Unsupported('conditional groups are not supported')
  throw new Unsupported(`unknown group ${rest.slice(0, 3)}`)
}

/** `{,n}` is `{0,n}`; a brace that repeats nothing is a brace. */
const repetition = (cursor: Cursor): string => {
  const { source, at } = cursor
  const bounds = /^\{(\d*)(,?)(\d*)\}/.exec(source.slice(at, at + 24))
  if (!bounds || (bounds[1] === '' && bounds[3] === '')) {
    cursor.at++
    return '\\{'
  }
  const [whole, least, comma, most] = bounds
  cursor.at = at + whole.length
  return `{${least === '' ? '0' : least}${comma}${most}}`
}
