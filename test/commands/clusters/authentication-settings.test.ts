import { expect, test } from 'vitest'
import { authenticationSettings } from '../../../src/commands/clusters/authentication-settings.ts'
import { parseUsers } from '../../../src/commands/clusters/users.ts'

const hash = `$2b$12$${'a'.repeat(53)}`

test('nothing is set: no authenticators', () => {
  expect(authenticationSettings({})).toMatchObject({ authenticators: [], selfAuths: [], keystoneDomain: 'Default' })
})

test('authenticators stand in the order that is given, each once', () => {
  const settings = authenticationSettings({
    CLUSTERS_AUTH: 'keystonetoken, bearer httpbasicauth,keystonetoken',
    CLUSTERS_KEYSTONE_URL: 'http://keystone:5000/v3/auth/tokens',
    CLUSTERS_BEARER_URL: 'https://openshift:8443/oapi/v1/users/~',
    CLUSTERS_USERS_FILE: '/etc/users.json',
    CLUSTERS_SELF_AUTHS: '/api/v0/hosts',
  })
  expect(settings.authenticators).toEqual(['keystonetoken', 'openshiftbearertokenauth', 'httpbasicauth'])
  expect(settings.selfAuths).toEqual(['/api/v0/hosts'])
})

test.each([
  [{ CLUSTERS_USERS_FILE: '/users' }, ['httpbasicauth']],
  [{ CLUSTERS_USERS: '{}' }, ['httpbasicauth']],
  [{ CLUSTERS_BEARER_URL: 'http://a' }, ['openshiftbearertokenauth']],
  [{ CLUSTERS_KEYSTONE_URL: 'http://a' }, ['keystonepassword', 'keystonetoken']],
  [{ CLUSTERS_CLIENT_CN: 'a', TLS_CLIENT_CA_FILE: '/ca' }, ['httpauthclientcert']],
  [{ TLS_CLIENT_CA_FILE: '/ca' }, []],
])('without CLUSTERS_AUTH, %j chooses %j', (environment, chosen) => {
  expect(authenticationSettings(environment as Record<string, string>).authenticators).toEqual(chosen)
})

test.each([
  [{ CLUSTERS_AUTH: 'digest' }, 'CLUSTERS_AUTH holds "digest"'],
  [{ CLUSTERS_AUTH: 'httpbasicauth' }, 'CLUSTERS_AUTH: httpbasicauth needs CLUSTERS_USERS_FILE or CLUSTERS_USERS'],
  [{ CLUSTERS_AUTH: 'bearer keystonetoken' }, 'CLUSTERS_AUTH: keystonetoken needs CLUSTERS_KEYSTONE_URL'],
  [{ CLUSTERS_CLIENT_CN: 'a' }, 'CLUSTERS_AUTH: httpauthclientcert needs TLS_CLIENT_CA_FILE'],
  [{ CLUSTERS_BEARER_URL: 'ftp://a' }, 'CLUSTERS_BEARER_URL is not an http or https URL'],
  [{ CLUSTERS_SELF_AUTHS: 'hosts' }, 'CLUSTERS_SELF_AUTHS holds "hosts"'],
  [{ CLUSTERS_USERS: '{"a": {"hash": "secret"}}' }, 'CLUSTERS_USERS is not JSON of users'],
])('%j cannot be honoured', (environment, words) => {
  const read = () => authenticationSettings(environment as Record<string, string>)
  expect(read).toThrow(words)
  expect(read).not.toThrow('secret')
})

test('users are read whatever else stands beside their hashes', () => {
  const users = parseUsers(JSON.stringify({ a: { hash, note: 1 }, b: { hash } }))
  expect([...users]).toEqual([
    ['a', hash],
    ['b', hash],
  ])
})

test.each(['', '[]', '{"a": "hash"}', '{"a": {"hash": "md5"}}', '{"a": {}}'])('%j are no users', (text) => {
  expect(() => parseUsers(text)).toThrow()
})
