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

/** Every second version is loaded again from another commit. */
const act = async (app: TestApp, n: number): Promise<unknown> => {
  if (n % 3 !== 0) return
  const { url, commit } = await repository()
  commit(template('vm', { version: `0.0.${n % 2}`, description: `commit ${n}` }))
  return app.ask('POST /templates', { body: { url } })
}

asOfContract({
  name: 'the robot face',
  start: () => startApp(),
  act,
  gets: async () => ['/templates'],
  ask: (app, path, moment) => app.ask(`GET ${path}`, { headers: { 'As-Of': moment } }),
})
