import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { canOwnEventStoreDb, ownEventStoreDb } from '../engines/own.ts'
import { kafkaBrokers } from '../engines/running.ts'
import { startGitServer, template } from '../workers/robot/git-server.ts'
import { openCluster } from './cluster.ts'
import { temporaryDirectory } from './harness.ts'

const patience = { timeout: 120_000, interval: 100 }

/** The first attempt of `start` does not end. `start` leaves a word in the data, and `check` looks for it. */
const action = (folder: string): string => `#!/bin/sh
read -r in
echo $$ >"${folder}/$INTENDANT_ACTION-$INTENDANT_ATTEMPT"
[ "$INTENDANT_ACTION-$INTENDANT_ATTEMPT" != start-1 ] || while :; do sleep 1; done
case $in in *'"data":{"password":"letmein-1"'*) ;; *) exit 1 ;; esac
case $INTENDANT_ACTION-$in in check-*'"from":"start"'*) echo '{"result": true}' ;; *) echo '{"data": {"from": "start"}}' ;; esac
`

test.skipIf(!canOwnEventStoreDb || kafkaBrokers === undefined)(
  'a task of a killed worker is run again by another one, which knows what the service remembers',
  { timeout: 300_000 },
  async () => {
    const [git, eventStoreDb] = await Promise.all([startGitServer(), ownEventStoreDb()])
    onTestFinished(async () => {
      await Promise.all([git.stop(), eventStoreDb.stop()])
    })
    const folder = temporaryDirectory()
    const repository = git.repository('actions')
    const program = { run: ['./action'] }
    const schema = { type: 'object', properties: { password: { type: 'string', 'x-secret': true } } }
    repository.commit(template('vm', { schema, actions: { start: program, check: program } }, { action: action(folder) }))
    const cluster = openCluster({
      eventStoreDbUrl: eventStoreDb.url,
      kafkaBrokers: kafkaBrokers as string,
      env: { ROBOT_DIR: temporaryDirectory(), LEASE_MS: '3000', KILL_GRACE_MS: '200' },
    })
    const [server, first, second] = [cluster.server('server'), cluster.worker('first'), cluster.worker('second')]
    await Promise.all([server.start(), first.start()])
    const post = async (path: string, body: unknown): Promise<{ readonly guid: string }> => {
      const answer = await fetch(`${server.url()}${path}`, { method: 'POST', body: JSON.stringify(body) })
      expect(answer.status).toBe(201)
      return (await answer.json()) as { guid: string }
    }
    await post('/templates', { url: repository.url })
    const { guid } = await post('/services', { template: 'vm', data: { password: 'letmein-1' } })
    await post(`/services/${guid}/task_list`, { action_name: 'start' })
    await post(`/services/${guid}/task_list`, { action_name: 'check' })
    await expect.poll(() => existsSync(join(folder, 'start-1')), patience).toBe(true)
    const pid = Number(readFileSync(join(folder, 'start-1'), 'utf8'))
    await second.start()
    await first.kill('SIGKILL')
    // On this machine nobody else ends what a killed worker left behind.
    process.kill(-pid, 'SIGKILL')
    const tasks = async () => {
      const answer = await fetch(`${server.url()}/services/${guid}/task_list?all=true`)
      return ((await answer.json()) as { state: string; result?: string }[]).map(({ state, result }) => [state, result])
    }
    await expect.poll(tasks, patience).toEqual([
      ['ok', undefined],
      ['ok', 'true'],
    ])
    expect(existsSync(join(folder, 'start-2'))).toBe(true)
  },
)
