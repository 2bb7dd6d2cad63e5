/**
 * How Python 2 shows a value (`repr`) that it parsed from JSON, made from valid JSON text: `{"k": [1.50, null]}` becomes
 * `{u'k': [1.5, None]}`. Working on the text keeps what a JavaScript number forgets (`1.0`, large integers) and needs no recursion.
 */
export const pythonRepr = (json: string): string =>
  json.replace(tokens, (token) => {
    const first = token.charCodeAt(0)
    if (first === 0x22) return text(JSON.parse(token) as string)
    if (first === 0x2d || (first >= 0x30 && first <= 0x39)) return number(token)
    return words[token] ?? ''
  })

/** Strings, numbers, words, separators and white space; brackets stay as they are. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[,:]|\s+/g
const words: Readonly<Record<string, string>> = { true: 'True', false: 'False', null: 'None', ',': ', ', ':': ': ' }

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const hex = (code: number, digits: number): string => code.toString(16).padStart(digits, '0')

function text(value: string): string {
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'"
  let shown = ''
  for (const character of value) {
    const code = character.codePointAt(0) ?? 0
    if (character === quote) shown += `\\${quote}`
    else if (escapes[character] !== undefined) shown += escapes[character]
    else if (code >= 0x20 && code < 0x7f) shown += character
    else if (code < 0x100) shown += `\\x${hex(code, 2)}`
    else if (code < 0x10000) shown += `\\u${hex(code, 4)}`
    else shown += `\\U${hex(code, 8)}`
  }
  return `u${quote}${shown}${quote}`
}

const longestInt = 2n ** 63n

function number(token: string): string {
  if (!/[.eE]/.test(token)) {
    const value = BigInt(token)
    return value >= longestInt || value < -longestInt ? `${value}L` : `${value}`
  }
  const value = Number(token)
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [digits = '', power = '0'] = value.toExponential().split('e')
  const exponent = Number(power)
  if (exponent < -4 || exponent >= 16)
    return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  const plain = decimal(digits, exponent)
  return plain.includes('.') ? plain : `${plain}.0`
}

/** `digits` (one before the point) times ten to the `exponent`, without an exponent. */
function decimal(digits: string, exponent: number): string {
  const sign = digits.startsWith('-') ? '-' : ''
  const significant = digits.replace(/[-.]/g, '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${significant}`
  const whole = significant.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  const fraction = significant.slice(exponent + 1)
  return fraction === '' ? `${sign}${whole}` : `${sign}${whole}.${fraction}`
}
