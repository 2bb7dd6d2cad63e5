import { describe, expect, test } from 'vitest'
import { isRevisionName, parseGitUrl } from '../../../src/commands/robot/git-url.ts'

describe('the address of a repository', () => {
  test.each([
    ['https://github.com/me/templates', 'https://github.com/me/templates', 'github.com', undefined],
    ['https://GitHub.com/Me/templates.git/', 'https://github.com/Me/templates', 'github.com', undefined],
    ['http://127.0.0.1:8080/me/my.github.io.git#dev', 'http://127.0.0.1:8080/me/my.github.io', '127.0.0.1', 'dev'],
    ['https://user:pass@host/me/t', 'https://host/me/t', 'host', undefined],
    ['git@github.com:me/templates.git', 'ssh://git@github.com/me/templates', 'github.com', undefined],
    ['git@github.com/me/templates', 'ssh://git@github.com/me/templates', 'github.com', undefined],
    ['ssh://git@host:2222/me/templates.git', 'ssh://git@host:2222/me/templates', 'host', undefined],
    ['http://[::1]:8080/me/t', 'http://[::1]:8080/me/t', '[::1]', undefined],
  ])('%s', (text, key, host, branch) => expect(parseGitUrl(text)).toMatchObject({ key, host, branch }))

  test('git is given what was sent, and never the short form with a slash', () => {
    expect(parseGitUrl('https://user:pass@host/me/t.git#dev')).toMatchObject({
      remote: 'https://user:pass@host/me/t.git',
      userInfo: 'user:pass',
    })
    expect(parseGitUrl('git@host/me/t')).toMatchObject({ remote: 'git@host:me/t', userInfo: undefined })
    // git refuses `HTTPS://`: it knows transports by their names in lower case.
    expect(parseGitUrl('HTTPS://Host/me/t')).toMatchObject({ remote: 'https://Host/me/t', key: 'https://host/me/t' })
  })

  test.each([
    '',
    '/srv/templates',
    './templates',
    'file:///srv/me/templates',
    'ext::sh -c id% me/templates',
    'git://host/me/templates',
    'https://host/templates',
    'https://host/a/b/c',
    'https://host//b',
    'https://host/../b',
    'https://host/me/.git',
    'https://host/-me/templates',
    'https://-oProxyCommand=id/me/t',
    'ssh://git@-oProxyCommand=id/me/t',
    'git@-oProxyCommand=id:me/t',
    'ssh://root@host/me/t',
    'git@host:2222/me/templates',
    'https://host:99999/me/t',
    'https://host/me/t?x=1',
    'https://host/me/t#--upload-pack=id',
    'https://host/me/t\n',
  ])('"%s" is none', (text) => expect(parseGitUrl(text)).toBeUndefined())
})

test.each(['main', 'v1.0.0', 'feature/one', 'ä', 'deadbeef'])('"%s" may name a revision', (name) =>
  expect(isRevisionName(name)).toBe(true),
)
test.each([
  '',
  '-f',
  '--upload-pack=id',
  'a..b',
  'HEAD~1',
  'a^',
  'a:b',
  'a b',
  '@{u}',
  '@',
  '/a',
  'a/',
  'a.lock',
  'a//b',
  '.a',
  'a\n',
])('"%s" may not', (name) => expect(isRevisionName(name)).toBe(false))
