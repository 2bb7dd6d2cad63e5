import { describe, expect, test } from 'vitest'
import { pollId } from '../../../src/http/crawling/poll-schema.ts'
import type { JsonValue } from '../../../src/lib/json.ts'

const check = (text: string) => pollId({ value: JSON.parse(text) as JsonValue, text })
const emoji = '😀'

describe('a poll is refused with the cause of the original', () => {
  test.each<readonly [string, string]>([
    ['[]', "[] is not of type u'object'"],
    ['["a"]', "[u'a'] is not of type u'object'"],
    ['"x"', "u'x' is not of type u'object'"],
    ['5', "5 is not of type u'object'"],
    ['5.0', "5.0 is not of type u'object'"],
    ['true', "True is not of type u'object'"],
    ['{}', "u'poll_id' is a required property"],
    ['{"poll_id":null}', "None is not of type u'string'"],
    ['{"poll_id":5}', "5 is not of type u'string'"],
    ['{"poll_id":1.50}', "1.5 is not of type u'string'"],
    ['{"poll_id":12345678901234567890}', "12345678901234567890L is not of type u'string'"],
    ['{"poll_id":["a"]}', "[u'a'] is not of type u'string'"],
    ['{"poll_id":{"k":1}}', "{u'k': 1} is not of type u'string'"],
    ['{"poll_id":""}', "u'' is too short"],
    [`{"poll_id":"${'a'.repeat(101)}"}`, `u'${'a'.repeat(101)}' is too long`],
    [`{"poll_id":"${emoji.repeat(101)}"}`, `u'${String.raw`\U0001f600`.repeat(101)}' is too long`],
    ['{"poll_id":"a","crazykey":1}', "Additional properties are not allowed (u'crazykey' was unexpected)"],
    ['{"k2":1,"poll_id":"a","k1":1}', "Additional properties are not allowed (u'k2', u'k1' were unexpected)"],
    ['{"__proto__":1,"poll_id":"a"}', "Additional properties are not allowed (u'__proto__' was unexpected)"],
    ['{"crazykey":1}', "u'poll_id' is a required property"],
    ['{"crazykey":1,"poll_id":5}', "5 is not of type u'string'"],
  ])('%s', (text, cause) => expect(check(text)).toEqual({ cause }))
})

test('a hundred characters are taken, whatever their size', () => {
  expect(check(`{"poll_id":"${emoji.repeat(100)}"}`)).toEqual({ pollId: emoji.repeat(100) })
  expect(check('{"poll_id":"a"}')).toEqual({ pollId: 'a' })
})
