import { asOfContract } from '../../contracts/as-of.ts'
import type { TestApp } from '../app.ts'
import { type Script, startClusters } from './clusters-app.ts'

const scripts: readonly Script[] = ['succeed', 'fail', { manager: 'm' }, 'hang']

const ask = (app: TestApp, line: string, body: object = {}) => app.ask(line, { raw: JSON.stringify(body) })

/** Hosts come into clusters, succeed, fail and begin again; clusters, networks and container managers come, change and go. Changes of clusters fail at their first host. */
const act = async (app: TestApp, n: number): Promise<unknown> => {
  await ask(app, `PUT /api/v0/cluster/c${n % 2}`, { container_manager: n % 4 === 3 ? '' : 'm', network: `n${n % 3}` })
  await ask(app, `PUT /api/v0/host/10.0.0.${n % 7}`, {
    cluster: n < 7 ? `c${n % 2}` : '',
    ssh_priv_key: 'a2V5',
    ssh_port: 22 + (n % 2),
  })
  await ask(app, `PUT /api/v0/cluster/c${n % 2}/${['upgrade', 'restart', 'deploy'][n % 3]}`, { version: `v${n}` })
  const method = n % 3 === 2 ? 'DELETE' : 'PUT'
  await ask(app, `${method} /api/v0/network/n${n % 3}`, { options: { address: '10.0.0.9:1' } })
  // What is forgotten has no past, so a token stays.
  return ask(app, `PUT /api/v0/containermanager/m${n % 2 === 0 ? '' : n}`, { options: { token: `token of ${n % 2}` } })
}

const gets = async (): Promise<readonly string[]> =>
  [
    ...['/clusters', '/cluster', '/hosts', '/networks', '/containermanagers', '/containermanager/m', '/containermanager/m1'],
    ...['c0', 'c1'].flatMap((name) =>
      ['', '/hosts', '/hosts/10.0.0.1', '/deploy', '/upgrade', '/restart'].map((path) => `/cluster/${name}${path}`),
    ),
    ...['default', 'n0', 'n2'].map((name) => `/network/${name}`),
    ...[0, 1, 2, 3].flatMap((n) => ['', '/creds', '/status'].map((path) => `/host/10.0.0.${n}${path}`)),
  ].map((path) => `/api/v0${path}`)

asOfContract({
  name: 'the clusters face',
  start: async () => {
    const { ask: _, ...app } = await startClusters()
    for (let n = 0; n < 7; n++) app.script(`10.0.0.${n}`, scripts[n % scripts.length] ?? 'hang')
    return { ...app, ask: app.plain }
  },
  act,
  gets,
  ask: (app, path, moment) => app.ask(`GET ${path}`, { headers: { 'As-Of': moment } }),
})
