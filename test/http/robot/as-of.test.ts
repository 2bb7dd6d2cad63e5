import { onTestFinished } from 'vitest'
import { asOfContract } from '../../contracts/as-of.ts'
import { startGitServer, type TestRepository, template } from '../../workers/robot/git-server.ts'
import { startApp, type TestApp } from '../app.ts'

let opened: Promise<TestRepository> | undefined
const repository = (): Promise<TestRepository> => {
  opened ??= startGitServer().then((git) => {
    onTestFinished(() => git.stop())
    return git.repository('past')
  })
  return opened
}

const reply = { result: 7, data: { done: true }, state: [{ category: 'action', tag: 'start', state: 'ok' }] }
const actions = {
  start: { run: ['sh', '-c', `echo started >&2; echo '${JSON.stringify(reply)}'`] },
  fail: { run: ['sh', '-c', 'echo broken >&2; exit 3'] },
}

/** What the paths need; the first one of each stays. */
const made: { guid?: string; task?: string } = {}

/** Every second version is loaded again from another commit; services come and go, and run actions that succeed and fail. */
const act = async (app: TestApp, n: number): Promise<unknown> => {
  if (n % 3 === 0) {
    const { url, commit } = await repository()
    commit(template('vm', { version: `0.0.${n % 2}`, description: `commit ${n}`, actions }))
    await app.ask('POST /templates', { body: { url } })
  }
  const { guid } = (await app.ask('POST /services', { body: { template: 'vm', name: `s${n}`, public: true } })).json
  if (n % 4 === 3) return app.ask(`DELETE /services/${guid}`)
  made.guid ??= guid
  const action_name = n % 2 === 0 ? 'start' : 'fail'
  const task = await app.ask(`POST /services/${made.guid}/task_list`, { body: { action_name } })
  made.task ??= task.json.guid
  if (n % 3 === 1) await app.ask(`PUT /services/${guid}`, { body: { template: '127.0.0.1/acme/past/vm/0.0.1' } })
  return app.ask('POST /robot/webhooks', { body: { url: `http://127.0.0.1:9/${n % 5}`, kind: 'eco' } })
}

/** Every GET of the face but `/robot/info`, which says nothing of the log. */
const gets = async (): Promise<readonly string[]> => {
  const { guid = 'none', task = 'none' } = made
  const rows = [
    '/templates',
    '/services?template_name=vm',
    `/services/${guid}`,
    `/services/${guid}/actions`,
    `/services/${guid}/task_list?all=True`,
    `/services/${guid}/task_list/${task}`,
    '/robot/metrics',
    '/robot/webhooks',
  ]
  return [...rows, `/services/${guid}/logs`, `/zrobot/0.9/services`, `/zrobot/0.9/services/${guid}/task_list?all=True`]
}

asOfContract({
  name: 'the robot face',
  start: () => startApp({ ROBOT_GOD_MODE: 'true' }),
  act,
  gets,
  ask: (app, path, moment) => app.ask(`GET ${path}`, { headers: { 'As-Of': moment } }),
})
