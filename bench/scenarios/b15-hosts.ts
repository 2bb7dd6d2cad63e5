import { generateKeyPairSync } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Scenario } from '../lib/bench.ts'
import { figure } from '../lib/figure.ts'
import { median } from '../lib/percentiles.ts'
import { memoryOf, startProgram } from '../lib/processes.ts'
import { type Intendant, startIntendant } from '../peers/intendant.ts'

const lookEveryMs = 50
const rounds = 3

/** How fast hosts that are put at once are investigated, and whether memory and descriptors stay what they were. */
export const hosts: Scenario = {
  id: 'B15',
  title: 'hosts that are investigated over SSH',
  async *run(bench) {
    const count = bench.size(200, 50)
    await using site = await startProgram({
      command: process.execPath,
      args: [new URL('../floors/ssh-hosts.ts', import.meta.url).pathname, String(count)],
      ready: /ready on (\d+)/,
      log: `${bench.scratch('hosts')}.log`,
    })
    await using server = await startIntendant({ dataDir: bench.scratch('intendant'), env: { CLUSTERS_WATCH: 'false' } })
    const order = { count, port: Number(site.said) }
    await investigateAll(server, order)
    const open = descriptorsOf(server.pids)
    const perSecond: number[] = []
    const peaks: number[] = []
    for (let round = 0; round < rounds; round++) {
      const { seconds, peakMiB } = await investigateAll(server, order)
      perSecond.push(count / seconds)
      peaks.push(peakMiB)
    }
    const name = `${count} hosts at once`
    yield figure({ scenario: 'B15', metric: `${name}, investigated and prepared`, value: median(perSecond), unit: 'hosts/s' })
    yield figure(
      { scenario: 'B15', metric: `${name}, memory of the last round`, value: peaks.at(-1) ?? 0, unit: 'MiB' },
      { floor: peaks[0] ?? 0, floorName: 'first round', ratio: { atMost: 1.2 } },
    )
    yield figure({
      scenario: 'B15',
      metric: `${name}, descriptors left open`,
      value: descriptorsOf(server.pids) - open,
      unit: '',
    })
  },
}

const key = Buffer.from(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' }),
).toString('base64')

const descriptorsOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0)

/** Puts hosts, waits until all are prepared, and deletes them. */
const investigateAll = async (
  { url, pids }: Intendant,
  { count, port }: { readonly count: number; readonly port: number },
): Promise<{ readonly seconds: number; readonly peakMiB: number }> => {
  const addresses = Array.from({ length: count }, (_, host) => `127.0.0.${host + 1}`)
  const ask = (method: string, address: string, body: object = {}): Promise<Response> =>
    fetch(`${url}/api/v0/host/${address}`, { method, body: JSON.stringify(body) })
  const begun = performance.now()
  let peakMiB = 0
  for (const address of addresses) await (await ask('PUT', address, { ssh_priv_key: key, ssh_port: port })).text()
  for (;;) {
    const known = (await (await fetch(`${url}/api/v0/hosts`)).json()) as readonly { readonly status: string }[]
    peakMiB = Math.max(peakMiB, memoryOf(pids))
    if (known.some(({ status }) => status === 'failed')) throw new Error('a host failed')
    if (known.every(({ status }) => status === 'disassociated')) break
    await pause(lookEveryMs)
  }
  const seconds = (performance.now() - begun) / 1000
  for (const address of addresses) await (await ask('DELETE', address)).text()
  return { seconds, peakMiB }
}
