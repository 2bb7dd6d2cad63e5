import { expect, test } from 'vitest'
import { runCommand } from '../../e2e/harness.ts'
import { startApp } from '../../http/app.ts'

test('robot god-token prints the token, where god mode is on', async () => {
  const app = await startApp({ ROBOT_GOD_MODE: 'true' })
  const { token } = (await app.ask('POST /v1/robot/god-token')).json
  expect(await runCommand(['robot', 'god-token', '--url', app.url])).toMatchObject({ code: 0, stdout: `${token}\n` })
  expect(JSON.parse((await runCommand(['robot', 'god-token', '--url', app.url, '--json'])).stdout)).toEqual({ token })
  await app.stop()
  const other = await startApp()
  const { code, stderr } = await runCommand(['robot', 'god-token', '--url', other.url])
  expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining('ROBOT_GOD_MODE=true') })
  await other.stop()
})
