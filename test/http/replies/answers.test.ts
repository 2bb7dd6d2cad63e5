import { expect, expectTypeOf, test } from 'vitest'
import { type Answers, answerTo } from '../../../src/http/replies/answers.ts'

type Refusal =
  | { readonly reason: 'taken'; readonly by: string }
  | { readonly reason: 'full' | 'closed'; readonly until: number }
  | { readonly reason: 'unknown' }

type Words = readonly [status: number, text: string]

const answers: Answers<Refusal, Words, string> = {
  taken: ({ by }, name) => [409, `${name} is taken by ${by}`],
  full: ({ until }) => [503, `full until ${until}`],
  closed: ({ until }) => [503, `closed until ${until}`],
  unknown: [404, 'unknown'],
}

test('each reason has its own answer, which may tell what the refusal and the request say', () => {
  expect(answerTo(answers, { reason: 'taken', by: 'Ada' }, 'the name')).toEqual([409, 'the name is taken by Ada'])
  expect(answerTo(answers, { reason: 'closed', until: 7 }, '')).toEqual([503, 'closed until 7'])
  expect(answerTo(answers, { reason: 'unknown' }, '')).toEqual([404, 'unknown'])
})

test('the compiler demands every reason, and knows no other', () => {
  type Reasons = keyof Answers<Refusal, Words>
  expectTypeOf<Reasons>().toEqualTypeOf<'taken' | 'full' | 'closed' | 'unknown'>()
  const { unknown: _left, ...others } = answers
  // @ts-expect-error: "unknown" is missing
  expect(() => answerTo(others satisfies Answers<Refusal, Words, string>, { reason: 'unknown' }, '')).not.toThrow()
})
