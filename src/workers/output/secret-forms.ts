/** The forms in which a secret may stand in what a work says. */
export interface SecretForms {
  /** Found as they are. */
  readonly literal: readonly string[]
  /** Found also where line breaks stand between their characters: programs wrap base64 at 64 or 76 columns. */
  readonly wrapped: readonly string[]
}

/** Shorter texts stand in too many innocent words. */
export const shortestSecret = 4
/** Of a longer secret only the text itself and its lines are looked for: the other forms would take hundreds of megabytes. */
const longestTransformed = 64 * 1024
/** A shorter text is not taken for base64: many words would be. */
const shortestEncoded = 8
/** The frame lines of a PEM file are not secret. */
const frame = /^-----(BEGIN|END) [^-]+-----$/

/**
 * The text, its lines (a key is printed line by line), what it decodes to where it is base64 itself, each of these as part of a JSON
 * string and of a URL; and the base64 of the text, alone or inside something longer.
 */
export const formsOf = (secret: string): SecretForms => {
  const texts = [secret, secret.trim(), ...decoded(secret)]
  const parts = texts.flatMap((text) => [text, ...text.split(/\r\n|\r|\n/).map((line) => line.trim())])
  const isShort = secret.length <= longestTransformed
  const literal = isShort ? parts.flatMap((part) => [part, ...transformed(part)]) : parts
  return { literal: kept(literal.filter((part) => !frame.test(part))), wrapped: isShort ? kept(texts.flatMap(encoded)) : [] }
}

const kept = (texts: readonly string[]): readonly string[] => [...new Set(texts.filter(({ length }) => length >= shortestSecret))]

const transformed = (text: string): readonly string[] => {
  const inUrl = encodeURIComponent(text.toWellFormed())
  return [...quoted(text), inUrl, inUrl.replaceAll('%20', '+')]
}

/** The text inside quotes, as JSON of different languages and Python's `repr` write it. */
const quoted = (text: string): readonly string[] => {
  const inJson = JSON.stringify(text).slice(1, -1)
  const inAscii = escaped(inJson, /[\u0080-\uffff]/g)
  const inRepr = inJson.replaceAll('\\"', '"')
  const inPhp = [inJson, inAscii].map((form) => form.replaceAll('/', '\\/'))
  return [inJson, inAscii, ...inPhp, escaped(inJson, /[<>&]/g), inRepr, inRepr.replaceAll("'", "\\'")]
}

/** Python and PHP escape what is not ASCII, PHP the slash too, Go what HTML gives a meaning. */
const escaped = (text: string, which: RegExp): string =>
  text.replace(which, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Both alphabets, padded and not, and what is sure to stand there where other bytes come before (0, 1 or 2 of a group) and after. */
const encoded = (text: string): readonly string[] => {
  const bytes = Buffer.from(text)
  const whole = bytes.toString('base64')
  const inside = [0, 1, 2].map((before) => {
    const bits = 8 * (before + bytes.length)
    return Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(Math.ceil((8 * before) / 6), Math.floor(bits / 6))
  })
  return [whole, whole.replaceAll('=', ''), ...inside].flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
}

/** The text that a secret holds in base64, if it does. */
const decoded = (secret: string): readonly string[] => {
  const compact = secret.replace(/\s/g, '')
  if (compact.length < shortestEncoded || !/^([\w-]+|[A-Za-z0-9+/]+)={0,2}$/.test(compact)) return []
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(compact, 'base64'))
    return isPrintable(text) ? [text, text.trim()] : []
  } catch {
    return []
  }
}

const isPrintable = (text: string): boolean => !/[^\P{Cc}\t\r\n]/u.test(text)
