import { expect, test } from 'vitest'
import { openRobot } from './robot-engine.ts'

const schema = {
  type: 'object',
  properties: {
    password: { type: 'string', 'x-secret': true },
    login: { type: 'object', 'x-secret': true },
    user: { type: 'string' },
  },
}
const token = { schema: { type: 'string', 'x-secret': true } }

/** Every event of the log as text. */
const everything = async (robot: Awaited<ReturnType<typeof openRobot>>): Promise<string> => {
  let text = ''
  for await (const event of robot.log.readAll()) text += JSON.stringify(event.data)
  return text
}

test('secret members reach the program in clear, and no event', async () => {
  const echo = `#!/usr/bin/env node
const { data, args } = JSON.parse(require('fs').readFileSync(0))
console.error('password is ' + data.password)
const ok = data.password === 'letmein-1' && args.token === 'token-1' && data.login.name === 'anna'
console.log(JSON.stringify({ result: { ok, echo: data.password }, data: { password: 'letmein-2', login: { pin: 'pin-4711' } } }))`
  const robot = await openRobot({
    vm: { manifest: { schema, actions: { start: { args: { token } } } }, files: { 'actions/start': echo } },
  })
  const guid = await robot.create('vm', { password: 'letmein-1', user: 'root', login: { name: 'anna', pin: 'pin-1234' } })
  const id = await robot.request(guid, 'start', { token: 'token-1' })
  const { task, service } = await robot.after(guid, id)
  expect(task).toMatchObject({ state: 'succeeded', result: { result: { ok: true, echo: '***' } } })
  expect(task.input).toMatchObject({ args: { token: '***' } })
  expect(await robot.output(id)).toBe('password is ***\n')
  expect(service?.data).toMatchObject({
    user: 'root',
    password: { $sealed: expect.any(String), subject: `robotService-${guid}` },
  })
  // A secret that is changed in part is sealed as a whole.
  expect(await robot.opened(service?.data ?? {})).toEqual({
    password: 'letmein-2',
    user: 'root',
    login: { name: 'anna', pin: 'pin-4711' },
  })
  expect(await everything(robot)).not.toMatch(/letmein|token-1|pin-|anna/)
})

test('secrets of a proposal and of a failure are sealed and masked', async () => {
  const fail = `#!/bin/sh\ncat >&2; echo '{"data": {"password": "letmein-3"}, "error": {"message": "not letmein-2"}}'; exit 1\n`
  const robot = await openRobot({ vm: { manifest: { schema, actions: { start: {} } }, files: { 'actions/start': fail } } })
  const guid = await robot.create('vm', { password: 'letmein-1' })
  await robot.after(guid, await robot.request(guid, 'update_data', { data: { password: 'letmein-2' } }))
  const { task, service } = await robot.after(guid, await robot.request(guid, 'start'))
  expect(task.error).toMatchObject({ message: 'not ***', details: { eco: { errormessage: 'not ***' } } })
  expect(await robot.opened(service?.data ?? {})).toEqual({ password: 'letmein-3' })
  expect(await everything(robot)).not.toContain('letmein')
})

test('what has a secret in it by chance is kept, though sealed', async () => {
  const twice = `#!/bin/sh\necho '{"data": {"user": "admin-1", "port": 4711}, "schedule": [{"service": {"name": "other"}, "action": "use", "args": {"name": "admin-1"}}]}'\n`
  const echo = `#!/usr/bin/env node
console.log(JSON.stringify({ data: { isSame: JSON.parse(require('fs').readFileSync(0)).args.name === 'admin-' + 1 } }))`
  const use = { run: ['./actions/use'], args: { name: {} } }
  const robot = await openRobot({
    vm: { manifest: { schema, actions: { start: {}, use } }, files: { 'actions/start': twice, 'actions/use': echo } },
  })
  const data = { password: 'admin-1', login: { pin: 4711 } }
  const guid = await robot.create('vm', data)
  const other = await robot.create('vm', {}, 'other')
  const { service } = await robot.after(guid, await robot.request(guid, 'start'))
  expect(await robot.opened(service?.data ?? {})).toEqual({ ...data, user: 'admin-1', port: 4711 })
  const task = await robot.engine.until(() => robot.tasksOf(other)[0])
  expect((await robot.after(other, task.id)).service?.data).toEqual({ isSame: true })
  const updated = await robot.after(guid, await robot.request(guid, 'update_data', { data: { user: 'not admin-1' } }))
  expect(await robot.opened(updated.service?.data ?? {})).toMatchObject({ user: 'not admin-1' })
})

test('what looks like a sealed value comes back as it was sent', async () => {
  const data = { fake: { $sealed: 'AAAA', subject: 'robotService-other' } }
  const robot = await openRobot({
    vm: {
      manifest: { actions: { start: {} } },
      files: { 'actions/start': `#!/bin/sh\nprintf '{"result": %s}' "$(cat | sed 's/.*"data"://; s/,"state".*//')"\n` },
    },
  })
  const guid = await robot.create('vm', data)
  const { task } = await robot.after(guid, await robot.request(guid, 'start'))
  expect(task).toMatchObject({ state: 'succeeded' })
  expect(await robot.opened(robot.services.byGuid(guid)?.data ?? {})).toEqual(data)
})
