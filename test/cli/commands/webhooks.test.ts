import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { type Json, runCommand, startServer, submitProbe } from '../../e2e/harness.ts'
import { openReceiver } from '../../http/receiver.ts'

test('webhooks are added, listed, shown, paused, resumed, their parked events listed, and removed', async () => {
  const receiver = await openReceiver()
  const { url } = await startServer()
  const run = (...words: string[]) => runCommand(['webhooks', ...words], { env: { INTENDANT_URL: url } })
  const parsed = ({ stdout }: { readonly stdout: string }): Json => JSON.parse(stdout) as Json

  const added = await run('add', 'orders', receiver.url, '--type', 'OperationSucceeded', '--type', 'OperationFailed')
  expect(added).toMatchObject({ code: 0, stderr: '' })
  expect(added.stdout).toMatch(/secret: +whsec_/)
  expect(added.stdout).toContain('it is not shown again')
  await submitProbe(url, { echo: 1 })
  await receiver.until((all) => all.length === 1)

  const shown = parsed(await run('get', 'orders', '--json'))
  expect(shown).toMatchObject({ name: 'orders', filter: { type: ['OperationSucceeded', 'OperationFailed'] }, active: true })
  expect((await run('ls')).stdout).toMatch(/NAME +ACTIVE +LAG[\s\S]*orders +true +\d+ +0 +0 +http/)
  expect(parsed(await run('pause', 'orders', '--json'))).toMatchObject({ active: false })
  expect((await run('resume', 'orders')).stdout).toMatch(/active: +true/)
  expect(parsed(await run('parked', 'orders', '--json'))).toEqual({ items: [], next: null })
  const unknown = '01a1feb0-1fd7-83b1-a108-4b257b40f451'
  expect((await run('parked', 'orders', '--redrive', unknown)).code).toBe(3)
  expect((await run('parked', 'orders', '--redrive', unknown, '--discard', unknown)).code).toBe(2)
  expect((await run('parked', 'orders', '--discard', 'nonsense')).code).toBe(2)
  expect((await run('add', 'orders', receiver.url)).stderr).toContain('there is a webhook orders already')
  expect((await run('add', '--help')).stdout).toContain('intendant webhooks add orders')
  expect((await run('rm', 'orders')).stdout).toBe('the webhook orders is deleted\n')
  expect((await run('get', 'orders')).code).toBe(3)
})

test("a secret of one's own comes from stdin, and signs", async () => {
  const receiver = await openReceiver()
  const { url } = await startServer()
  const secret = 'one of my own'
  const added = await runCommand(['webhooks', 'add', 'signed', receiver.url, '--secret-stdin', '--json'], {
    env: { INTENDANT_URL: url },
    input: `${secret}\n`,
  })
  expect(added).toMatchObject({ code: 0, stderr: '' })
  expect(added.stdout).not.toContain(secret)
  await submitProbe(url, { echo: 1 })
  await receiver.until((all) => all.length > 0)
  const [first] = receiver.deliveries
  const receive = new Webhook(new TextEncoder().encode(secret), { format: 'raw' })
  expect(receive.verify(first?.body ?? '', first?.headers as Record<string, string>)).toMatchObject({ id: first?.event.id })
})
