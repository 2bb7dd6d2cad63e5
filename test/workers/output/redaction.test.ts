import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRedaction, type Redaction } from '../../../src/workers/output/redaction.ts'

const inPieces = (redaction: Redaction, pieces: readonly string[]): string => {
  const stream = redaction.stream()
  return pieces.map((piece) => stream.push(piece)).join('') + stream.end()
}

const key = `-----BEGIN OPENSSH PRIVATE KEY-----\n${Array.from({ length: 12 }, (_, line) =>
  Buffer.alloc(51, `line ${line} of the key, and more`).toString('base64'),
).join('\n')}\nAAAB\n-----END OPENSSH PRIVATE KEY-----\n`

test('a secret is masked at every border', () => {
  const redaction = createRedaction(['hunter2-secret'])
  const text = 'the key is hunter2-secret and hunter2 is none'
  const masked = 'the key is *** and hunter2 is none'
  for (let border = 0; border <= text.length; border++)
    expect(inPieces(redaction, [text.slice(0, border), text.slice(border)])).toBe(masked)
  expect(inPieces(redaction, [...text])).toBe(masked)
  expect(redaction.text(text)).toBe(masked)
})

test('whatever the pieces, the same is shown, and no secret', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n'), minLength: 4, maxLength: 7 })
  const said = fc.array(fc.oneof(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n'), maxLength: 9 }), fc.string()), {
    maxLength: 12,
  })
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 3 }), said, fc.array(fc.nat(3)), (secrets, words, chosen) => {
      const pieces = words.flatMap((word, index) => [word, secrets[chosen[index] ?? 3] ?? ''])
      const redaction = createRedaction(secrets)
      const shown = redaction.text(pieces.join(''))
      expect(inPieces(redaction, pieces)).toBe(shown)
      expect(inPieces(redaction, [...pieces.join('')])).toBe(shown)
      for (const secret of secrets) expect(shown.includes(secret)).toBe(false)
    }),
  )
})

test('text without secrets is shown as it is, and at once but for what may begin one', () => {
  const redaction = createRedaction(['hunter2-secret'])
  const stream = redaction.stream()
  expect(stream.push('ready\nhunt')).toBe('ready\n')
  expect(stream.push('ing\n')).toBe('hunting\n')
  expect(stream.push('hunter2-secret')).toBe('***')
  expect(stream.push('hunter2-secre')).toBe('')
  expect(stream.end()).toBe('hunter2-secre')
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), (pieces) => {
      fc.pre(!pieces.join('').includes('hunter2-secret'))
      expect(inPieces(redaction, pieces)).toBe(pieces.join(''))
    }),
  )
})

test('at most one character less than the longest form is held back', () => {
  const secret = 'aaaaaaab'
  const redaction = createRedaction([secret])
  const stream = redaction.stream()
  let given = 0
  let shown = 0
  for (let count = 0; count < 1_000; count++) {
    given += 1
    shown += stream.push('a').length
    expect(given - shown).toBeLessThan(secret.length)
  }
})

test('secrets that overlap are masked as one', () => {
  const redaction = createRedaction(['abcdef', 'defghi', 'efg7'])
  for (const pieces of [['abcdefghi'], ['abcdef', 'ghi'], [...'abcdefghi']]) expect(inPieces(redaction, pieces)).toBe('***')
  expect(redaction.text('abcdefabcdef')).toBe('******')
})

test.each([['hunter2-secret'], ['pässwörd €😀'], ['four'], ['\u{fb}\u{fb}>>>???'], [key]])(
  'base64 of %j is masked, in both alphabets, alone or inside something longer',
  (secret) => {
    const redaction = createRedaction([secret])
    for (const encoding of ['base64', 'base64url'] as const) {
      const whole = Buffer.from(secret).toString(encoding)
      expect(redaction.text(`<${whole}>`)).toBe('<***>')
      expect(redaction.text(`<${whole.replaceAll('=', '')}>`)).toBe('<***>')
      for (const before of ['', 'x', 'xy', 'xyz', 'user:']) {
        const text = Buffer.from(`${before}${secret}and more`).toString(encoding)
        for (const shown of [redaction.text(text), inPieces(redaction, [...text])]) {
          const [left = '', right = '', ...more] = shown.split('***')
          expect(more).toEqual([])
          // What is shown beside the mask holds no whole byte of the secret.
          expect(Buffer.from(left, 'base64').length).toBeLessThanOrEqual(Buffer.byteLength(before) + 1)
          expect(Buffer.from(right, 'base64').length).toBeLessThanOrEqual('and more'.length + 1)
        }
      }
    }
  },
)

test('base64 that a program wraps at any column is masked', () => {
  const redaction = createRedaction([key])
  for (const columns of [4, 19, 64, 76]) {
    const lines =
      Buffer.from(`config: ${key}`)
        .toString('base64')
        .match(new RegExp(`.{1,${columns}}`, 'g')) ?? []
    for (const newline of ['\n', '\r\n'])
      expect(redaction.text(lines.join(newline)).replaceAll('***', '').length).toBeLessThan(24)
  }
})

test.each([
  ['Node.js', 'pä"ss\\w/ö<rd>\'😀', '"pä\\"ss\\\\w/ö<rd>\'😀"'],
  ['Python', 'pä"ss\\w/ö<rd>\'😀', '"p\\u00e4\\"ss\\\\w/\\u00f6<rd>\'\\ud83d\\ude00"'],
  ['PHP', 'pä"ss\\w/ö<rd>\'😀', '"p\\u00e4\\"ss\\\\w\\/\\u00f6<rd>\'\\ud83d\\ude00"'],
  ['Go', 'pä"ss\\w/ö<rd>\'😀', '"pä\\"ss\\\\w/ö\\u003crd\\u003e\'😀"'],
  ["Python's repr", 'pä"ss\\w/ö<rd>\'😀', '"pä"ss\\\\w/ö<rd>\\\'😀"'],
])('a secret inside quotes is masked as %s writes it', (_language, secret, text) =>
  expect(createRedaction([secret]).text(text)).toBe('"***"'),
)

test('a key is masked line by line, with any line break, and in a JSON string; its frame is shown', () => {
  const redaction = createRedaction([key])
  const lines = key.trim().split('\n')
  const masked = ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines.slice(1, -1).map(() => '***'), lines.at(-1)]
  expect(lines.map((line) => redaction.text(`> ${line}`)).join('\n')).toBe(masked.map((line) => `> ${line}`).join('\n'))
  expect(redaction.text(lines.join('\r\n'))).toBe(masked.join('\r\n'))
  expect(redaction.text(key)).toBe('***')
  expect(redaction.text(JSON.stringify({ key }))).toBe('{"key":"***"}')
  expect(redaction.text(new URLSearchParams({ key }).toString())).not.toMatch(/line|[A-Za-z0-9+]{12}/)
})

test('what a secret in base64 decodes to is masked too', () => {
  const redaction = createRedaction([Buffer.from('the real password\n').toString('base64')])
  expect(redaction.text('it is: the real password')).toBe('it is: ***')
})

test('values and member names in JSON are masked, and numbers that are the secret', () => {
  const redaction = createRedaction(['s3cret', '123456'])
  const value = { s3cret: [1, 'a s3cret', { at: new Date(0) as never, none: undefined }], pin: 123456, count: 1234567 }
  expect(redaction.json(value)).toEqual({ '***': [1, 'a ***', { at: '1970-01-01T00:00:00.000Z' }], pin: '***', count: 1234567 })
  expect(JSON.stringify(redaction.json(JSON.parse('{"__proto__": {"a": "s3cret"}}')))).toBe('{"__proto__":{"a":"***"}}')
})

test('a secret of a mebibyte is masked with bounded work', () => {
  const secret = `${'abcdefghij'.repeat(100_000)}!`
  const redaction = createRedaction([secret])
  expect(inPieces(redaction, ['x', secret.slice(0, 500_000), secret.slice(500_000), 'y'])).toBe('x***y')
})

test('a secret of very many lines that differ in one character costs no more than any other', () => {
  const lines = Array.from({ length: 60_000 }, (_, index) => `aaa${String.fromCharCode(0x100 + index)}`)
  const redaction = createRedaction([lines.join('\n')])
  expect(redaction.text(`${lines[59_999]} aaab ${lines[0]}`)).toBe('*** aaab ***')
  const noise = 'aaab'.repeat(50_000)
  expect(redaction.text(noise)).toBe(noise)
})
