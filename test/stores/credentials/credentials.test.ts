import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { Unacceptable, Unavailable } from '../../../src/lib/errors.ts'
import { allows, openCredentials } from '../../../src/stores/credentials/credentials.ts'
import { temporaryDirectory } from '../temporary.ts'

const newFile = (): string => join(temporaryDirectory(), 'data', 'credentials.json')
const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

test('without a file nothing is configured and nobody is known', async () => {
  const credentials = openCredentials(newFile())
  expect(credentials.configured()).toBe(false)
  expect(credentials.list()).toEqual([])
  expect(await credentials.authenticate('Bearer anything')).toBeNull()
})

test('a token is shown once, kept as a hash, and is its bearer', async () => {
  const file = newFile()
  const credentials = openCredentials(file)
  const { token } = await credentials.add({ name: 'robot', scopes: ['robot:write', 'v1:read', 'v1:read'] })
  const robot = { name: 'robot', scopes: ['robot:write', 'v1:read'] }
  expect(token).toMatch(/^[\w-]{43}$/)
  expect(readFileSync(file, 'utf8')).not.toContain(token)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(credentials.list()).toEqual([{ ...robot, kind: 'token' }])
  expect(credentials.configured()).toBe(true)
  for (const header of [`Bearer ${token}`, `bearer  ${token} `, basic('robot', token ?? '')])
    expect(await credentials.authenticate(header)).toEqual(robot)
  const wrong = [undefined, '', token ?? '', `Bearer ${token}x`, 'Bearer', `Bearer ${token} ${token}`, `Token ${token}`]
  for (const header of [
    ...wrong,
    basic('other', token ?? ''),
    basic('robot', 'x'),
    'Basic !!!',
    `Basic ${Buffer.from('robot').toString('base64')}`,
  ])
    expect(await credentials.authenticate(header)).toBeNull()
})

test('a user with a password, as often as they ask', async () => {
  const file = newFile()
  const credentials = openCredentials(file)
  const password = 'pass:wörd'
  expect(await credentials.add({ name: 'ada', scopes: ['*'], password })).toEqual({ token: null })
  await credentials.add({ name: 'bob', scopes: ['v1:read'], password: 'other' })
  expect(readFileSync(file, 'utf8')).not.toContain(password)
  const answers = await Promise.all(Array.from({ length: 50 }, () => credentials.authenticate(basic('ada', password))))
  expect(new Set(answers.map((principal) => principal?.name))).toEqual(new Set(['ada']))
  for (const header of [
    basic('ada', 'other'),
    basic('bob', password),
    basic('eve', password),
    basic('ada', ''),
    `Bearer ${password}`,
  ])
    expect(await credentials.authenticate(header)).toBeNull()
  expect((await credentials.authenticate(basic('bob', 'other')))?.scopes).toEqual(['v1:read'])
})

/** A clock that goes on only when it is told to. */
const handClock = () => {
  let now = 0
  const clock: Clock = { ...systemClock, monotonic: () => now }
  return { clock, pass: (ms: number) => (now += ms) }
}

test('a changed file counts within a second, whoever changed it', async () => {
  const file = newFile()
  const { clock, pass } = handClock()
  const server = openCredentials(file, { clock })
  const terminal = openCredentials(file)
  expect(server.configured()).toBe(false)
  const { token } = await terminal.add({ name: 'robot', scopes: ['*'] })
  await terminal.add({ name: 'ada', scopes: ['*'], password: 'first' })
  pass(1_000)
  expect(server.configured()).toBe(true)
  expect((await server.authenticate(`Bearer ${token}`))?.name).toBe('robot')
  expect((await server.authenticate(basic('ada', 'first')))?.name).toBe('ada')
  expect(terminal.remove('robot')).toBe(true)
  expect(terminal.remove('robot')).toBe(false)
  expect(terminal.remove('ada')).toBe(true)
  await terminal.add({ name: 'ada', scopes: ['*'], password: 'second' })
  pass(1_000)
  expect(await server.authenticate(`Bearer ${token}`)).toBeNull()
  expect(await server.authenticate(basic('ada', 'first'))).toBeNull()
  expect((await server.authenticate(basic('ada', 'second')))?.name).toBe('ada')
})

test('the file is looked at once a second, and at once before somebody is turned away', async () => {
  const file = newFile()
  const { clock, pass } = handClock()
  const server = openCredentials(file, { clock })
  const { token: first } = await server.add({ name: 'first', scopes: ['*'] })
  const { token: second } = await openCredentials(file).add({ name: 'second', scopes: ['*'] })
  expect((await server.authenticate(`Bearer ${second}`))?.name).toBe('second')
  openCredentials(file).remove('first')
  pass(1_000)
  expect(await server.authenticate(`Bearer ${first}`)).toBeNull()
})

test('the system tells of a change before the next look is due', async () => {
  const file = newFile()
  const server = openCredentials(file, handClock())
  const { token } = await server.add({ name: 'first', scopes: ['*'] })
  openCredentials(file).remove('first')
  while ((await server.authenticate(`Bearer ${token}`)) !== null) await systemClock.sleep(5)
})

test('a principal is current until its credential is removed or changed', async () => {
  const file = newFile()
  const { clock, pass } = handClock()
  const server = openCredentials(file, { clock })
  const anybody = { name: 'anonymous', scopes: ['*'] }
  expect(server.isCurrent(anybody)).toBe(true)
  const { token } = await server.add({ name: 'robot', scopes: ['*'] })
  const { token: other } = await server.add({ name: 'other', scopes: ['*'] })
  const robot = await server.authenticate(`Bearer ${token}`)
  const stays = await server.authenticate(`Bearer ${other}`)
  if (robot === null || stays === null) throw new Error('both are known')
  expect([server.isCurrent(robot), server.isCurrent(stays), server.isCurrent(anybody)]).toEqual([true, true, false])
  const terminal = openCredentials(file)
  terminal.remove('robot')
  await terminal.add({ name: 'robot', scopes: ['*'] })
  pass(1_000)
  expect([server.isCurrent(robot), server.isCurrent(stays)]).toEqual([false, true])
})

test('a file that goes missing or is torn lets nobody in', async () => {
  const file = newFile()
  const { clock, pass } = handClock()
  const credentials = openCredentials(file, { clock })
  const { token } = await credentials.add({ name: 'robot', scopes: ['*'] })
  const kept = readFileSync(file)
  writeFileSync(file, kept.subarray(0, 20))
  pass(1_000)
  await expect(credentials.authenticate(`Bearer ${token}`)).rejects.toThrow(Unavailable)
  await expect(credentials.add({ name: 'other', scopes: ['*'] })).rejects.toThrow(Unavailable)
  expect(() => openCredentials(file)).toThrow(Unavailable)
  expect(credentials.configured()).toBe(true)
  rmSync(file)
  pass(1_000)
  expect(await credentials.authenticate(`Bearer ${token}`)).toBeNull()
  expect(credentials.configured()).toBe(true)
  writeFileSync(file, kept)
  expect((await credentials.authenticate(`Bearer ${token}`))?.name).toBe('robot')
})

test('hashes of other tools are understood', async () => {
  const file = join(temporaryDirectory(), 'credentials.json')
  const password = hashSync('secret', 4).replace('$2b$', '$2a$')
  writeFileSync(file, JSON.stringify({ version: 1, credentials: [{ name: 'ada', scopes: ['*'], password }] }))
  expect((await openCredentials(file).authenticate(basic('ada', 'secret')))?.name).toBe('ada')
})

test('a client certificate is known by its CN alone, and only while it is listed', async () => {
  const file = newFile()
  const { clock, pass } = handClock()
  const credentials = openCredentials(file, { clock })
  expect(await credentials.add({ name: 'seven', scopes: ['v1:read'], clientCn: 'agent-7' })).toEqual({ token: null })
  expect(credentials.list()).toEqual([{ name: 'seven', scopes: ['v1:read'], kind: 'client-certificate', clientCn: 'agent-7' }])
  const seven = credentials.byCertificate('agent-7')
  expect(seven).toEqual({ name: 'seven', scopes: ['v1:read'] })
  for (const other of ['seven', 'agent-77', 'Agent-7', '', null]) expect(credentials.byCertificate(other)).toBeNull()
  for (const header of [basic('seven', 'agent-7'), 'Bearer agent-7', basic('seven', '')])
    expect(await credentials.authenticate(header)).toBeNull()
  if (seven !== null) expect(credentials.isCurrent(seven)).toBe(true)
  // Added by another process a moment ago.
  await openCredentials(file).add({ name: 'eight', scopes: ['*'], clientCn: 'agent-8' })
  expect(credentials.byCertificate('agent-8')?.name).toBe('eight')
  openCredentials(file).remove('seven')
  pass(1_000)
  expect(credentials.byCertificate('agent-7')).toBeNull()
  if (seven !== null) expect(credentials.isCurrent(seven)).toBe(false)
})

test('what cannot be a credential is refused in words', async () => {
  const file = newFile()
  const credentials = openCredentials(file)
  await credentials.add({ name: 'ada', scopes: ['*'] })
  await credentials.add({ name: 'certified', scopes: ['*'], clientCn: 'taken' })
  const before = readFileSync(file, 'utf8')
  const wrong = [
    { name: 'ada', scopes: ['*'] },
    { name: '', scopes: ['*'] },
    { name: 'a:b', scopes: ['*'] },
    { name: 'line\nbreak', scopes: ['*'] },
    { name: 'eve', scopes: [] },
    { name: 'eve', scopes: ['v1'] },
    { name: 'eve', scopes: ['v1:delete'] },
    { name: 'eve', scopes: ['*'], password: '' },
    { name: 'eve', scopes: ['*'], password: 'ä'.repeat(40) },
    { name: 'eve', scopes: ['*'], clientCn: '' },
    { name: 'eve', scopes: ['*'], clientCn: 'x'.repeat(65) },
    { name: 'eve', scopes: ['*'], clientCn: 'a\nb' },
    { name: 'eve', scopes: ['*'], clientCn: 'taken' },
    { name: 'eve', scopes: ['*'], clientCn: 'eve', password: 'secret' },
  ]
  for (const credential of wrong) await expect(credentials.add(credential)).rejects.toThrow(Unacceptable)
  expect(readFileSync(file, 'utf8')).toBe(before)
})

test.each([
  ['v1:read', 'v1:read', true],
  ['v1:write', 'v1:read', true],
  ['v1:read', 'v1:write', false],
  ['robot:write', 'v1:read', false],
  ['*', 'clusters:write', true],
])('the scope %s for what needs %s: %s', (held, needed, expected) => {
  expect(allows({ name: 'ada', scopes: [held] }, needed)).toBe(expected)
})
