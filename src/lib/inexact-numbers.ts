import { pointerTo } from './json-pointer.ts'

/** A number in a JSON text that a double cannot hold. */
export interface InexactNumber {
  /** JSON Pointer (RFC 6901). */
  readonly pointer: string
  readonly message: string
}

/** Nothing shorter than this is rounded or runs over; members and texts may look like it, which the walk finds out. */
const suspicious = /\d{16}|\d\.?\d*[eE]/
const number = /-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?/y
/** More are not named: a body could hold a hundred thousand. */
const mostNamed = 20

interface Frame {
  /** Of an array: the index of the item; of an object undefined. */
  index: number | undefined
  /** The member's name as it was written, with its quotes. */
  name: string
}

/** The numbers that would be rounded (integers) or lost (too large for a double), in a text that is JSON. */
export const inexactNumbers = (text: string): readonly InexactNumber[] => {
  if (!suspicious.test(text)) return []
  const found: InexactNumber[] = []
  const frames: Frame[] = []
  let isName = false
  for (let at = 0; at < text.length; at++) {
    const frame = frames.at(-1)
    switch (text[at]) {
      case '"': {
        const begin = at
        for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++
        if (isName && frame !== undefined) frame.name = text.slice(begin, at + 1)
        break
      }
      case '{':
        frames.push({ index: undefined, name: '""' })
        isName = true
        break
      case '[':
        frames.push({ index: 0, name: '""' })
        isName = false
        break
      case '}':
      case ']':
        frames.pop()
        isName = false
        break
      case ',':
        if (frame?.index !== undefined) frame.index += 1
        else isName = true
        break
      case ':':
        isName = false
        break
      case '-':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9': {
        number.lastIndex = at
        const match = number.exec(text) as RegExpExecArray
        at = number.lastIndex - 1
        const message = faultOf(match)
        if (message === undefined) break
        found.push({ pointer: pointerOf(frames), message })
        if (found.length === mostNamed) return found
      }
    }
  }
  return found
}

/** The problem with a number as it was written. */
const faultOf = ([written, whole = '', fraction = '', exponent]: RegExpExecArray): string | undefined => {
  if (written.length < 16 && exponent === undefined) return undefined
  const value = Number(written)
  if (!Number.isFinite(value)) return 'is larger than a double can hold'
  if (exponent === undefined && /^0*$/.test(fraction))
    return BigInt(whole) === BigInt(Math.abs(value))
      ? undefined
      : 'is an integer that a double cannot hold exactly; send it as text'
  if (exponent === undefined) return undefined
  const [digits, places] = significant(`${whole}${fraction}`, Number(exponent) - fraction.length)
  if (places < 0) return undefined
  const [, kept = '', keptFraction = '', keptExponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? []
  const [same] = significant(`${kept}${keptFraction}`, Number(keptExponent) - keptFraction.length)
  return digits === same ? undefined : 'is an integer that a double cannot hold exactly; send it as text'
}

/** Digits without zeros at either end, and the power of ten that they are multiplied with. */
const significant = (digits: string, places: number): readonly [string, number] => {
  let begin = 0
  let end = digits.length
  while (digits[begin] === '0') begin++
  while (end > begin && digits[end - 1] === '0') end--
  return begin === end ? ['', 0] : [digits.slice(begin, end), places + digits.length - end]
}

const pointerOf = (frames: readonly Frame[]): string => pointerTo(frames.map(({ index, name }) => index ?? JSON.parse(name)))
