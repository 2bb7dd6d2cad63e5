import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  compareTemplateVersions,
  parseTemplateReference,
  printTemplateUid,
  type TemplateUid,
} from '../../../src/commands/robot/template-uid.ts'

const full = { host: 'github.com', account: 'me', repository: 'templates', name: 'node', version: '0.0.1' }

describe('a reference to a template', () => {
  test.each([
    ['github.com/me/templates/node/0.0.1', full],
    ['/github.com/me/templates/node/0.0.1//', full],
    ['github.com/me/templates/node', { host: 'github.com', account: 'me', repository: 'templates', name: 'node' }],
    ['node/1.0.0-rc.1', { name: 'node', version: '1.0.0-rc.1' }],
    ['nœud_1', { name: 'nœud_1' }],
  ])('%s', (text, expected) => expect(parseTemplateReference(text)).toEqual(expected))

  test.each([
    '',
    '/',
    'a/b/c',
    'a//c/d',
    'a/b/c/d/e/f',
    'node$bad',
    'no-de',
    'node/1.0',
    'node/1.0.0x',
    'node/v1.0.0',
    'h/a/r/n/1',
    'a b',
  ])('"%s" is malformed', (text) => expect(parseTemplateReference(text)).toBeUndefined())

  test('is printed as it is read', () =>
    expect(printTemplateUid(parseTemplateReference('h/a/r/n/1.2.3') as TemplateUid)).toBe('h/a/r/n/1.2.3'))
})

describe('versions', () => {
  test('are ordered by precedence', () => {
    const ordered = [
      '0.0.9',
      '0.0.10',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0',
      '1.0.0+build',
      '99999999999999999999.0.0',
    ]
    const shuffled = ordered.toReversed()
    expect(shuffled.toSorted(compareTemplateVersions)).toEqual(ordered)
  })

  test('have one order', () => {
    const version = fc.stringMatching(/^[0-9]{1,3}\.[0-9]{1,2}\.[0-9]{1,2}([-+][0-9A-Za-z.-]{1,6})?$/)
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(Math.sign(compareTemplateVersions(a, b))).toBe(-Math.sign(compareTemplateVersions(b, a)) + 0)
        if (compareTemplateVersions(a, b) <= 0 && compareTemplateVersions(b, c) <= 0)
          expect(compareTemplateVersions(a, c)).toBeLessThanOrEqual(0)
      }),
    )
  })
})
