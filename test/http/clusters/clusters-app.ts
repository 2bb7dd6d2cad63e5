import { expect } from 'vitest'
import type { FaceModule } from '../../../src/app/face-module.ts'
import { faces } from '../../../src/app/faces.ts'
import { investigateKind, KnownHost } from '../../../src/commands/clusters/investigation.ts'
import { nodeStep } from '../../../src/commands/clusters/membership.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import type { JsonObject, JsonValue } from '../../../src/lib/json.ts'
import { noBackoff, type Work, type WorkContext, WorkFailed } from '../../../src/workers/work.ts'
import { type Answer, startApp, type TestApp } from '../app.ts'

/** The faces of the program with other works of some kinds of clusters. */
const facesWith = (works: readonly Work[]): readonly FaceModule[] =>
  faces.map((face) => {
    if (face.name !== 'clusters') return face
    const replaced = works.map(({ kind }) => kind)
    return {
      ...face,
      kinds: { ...face.kinds, ...Object.fromEntries(replaced.map((kind) => [kind, { reads: [] }])) },
      works: async (node, signal) => [
        ...(await face.works(node, signal)).filter(({ kind }) => !replaced.includes(kind)),
        ...works,
      ],
    }
  })

export const facts = { os: 'fedora', cpus: 2, memory: 2_048_400, space: 487_652 }

/** What an investigation in a test does with a host: nothing until it is cancelled, fail, or end well and register its node. */
export type Script = 'hang' | 'fail' | 'succeed' | { readonly manager: string }

/** An investigation without SSH: it does with each host what the test says, by default it hangs. */
const scriptedInvestigation = (scripts: Map<string, Script>): Work<KnownHost, JsonValue> => ({
  kind: investigateKind,
  face: 'clusters',
  description: 'An investigation by script',
  submittable: false,
  input: KnownHost,
  policy: { attempts: 1, timeoutMs: 60_000, backoff: noBackoff, whenLost: 'retry' },
  run: async (host, { step, signal }: WorkContext) => {
    const script = scripts.get(host.address) ?? 'hang'
    if (script === 'hang')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
    if (script === 'fail') throw new WorkFailed('unreachable', 'no', { retryable: false, details: { phase: 'connect' } })
    await step('connect', async () => ({ fingerprint: 'SHA256:a' }))
    await step('facts', async () => facts)
    if (typeof script === 'string') return { status: 'disassociated' }
    const change = { ...host, manager: script.manager, wanted: 'registered', done: true } as const
    await step(nodeStep(change), async () => change)
    return { status: 'active' }
  },
})

export interface ClustersApp extends Omit<TestApp, 'ask'> {
  /** Asks as tests of other faces do. */
  readonly plain: TestApp['ask']
  /** Says what becomes of a host that is put from now on. */
  script(address: string, script: Script): void
  /** As clients of this face ask: JSON without a content type, a body with every method but `GET`. */
  ask(line: string, body?: JsonValue, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Resolves when the operation has ended that an answer names; with what reads afterwards send to see that. */
  ended(answer: Answer): Promise<Readonly<Record<string, string>>>
  /** Puts a host, and waits for the end of its investigation; its record. */
  host(address: string, script: Script, body?: JsonValue): Promise<JsonObject>
  /** What stands in a stream: types and data. */
  events(stream: string): Promise<readonly { readonly type: string; readonly data: JsonObject; readonly metadata: JsonObject }[]>
}

export const startClusters = async (
  env: Readonly<Record<string, string>> = {},
  { works = [], ...options }: { readonly works?: readonly Work[]; readonly dataDir?: string; readonly clock?: Clock } = {},
): Promise<ClustersApp> => {
  const scripts = new Map<string, Script>()
  const modules = facesWith([scriptedInvestigation(scripts) as Work, ...works])
  const app = await startApp(env, { modules, ...options })
  const ask: ClustersApp['ask'] = async (line, body, headers = {}) => {
    const answer = await app.ask(line, {
      headers,
      ...(line.startsWith('GET') && body === undefined ? {} : { raw: body === undefined ? '{}' : JSON.stringify(body) }),
    })
    return answer
  }
  const ended: ClustersApp['ended'] = async ({ headers }) => {
    const { json } = await ask(`GET /v1/operations/${headers.get('operation-id')}?wait=60`)
    expect(['succeeded', 'failed', 'cancelled']).toContain(json.state)
    return { 'Event-Position': json.position }
  }
  return {
    ...app,
    plain: app.ask,
    ask,
    script: (address, script) => scripts.set(address, script),
    ended,
    host: async (address, script, body = {}) => {
      scripts.set(address, script)
      const seen = await ended(await ask(`PUT /api/v0/host/${address}`, body))
      return (await ask(`GET /api/v0/host/${address}`, undefined, seen)).json
    },
    events: async (stream) => (await ask(`GET /v1/streams/${stream}`)).json.items,
  }
}

/** The body of an error is the reason phrase alone. */
export const isError = (status: number, phrase: string, reason?: string) => ({
  status,
  text: phrase,
  type: 'text/html',
  ...(reason === undefined ? {} : { reason }),
})
export const error = ({ status, text, headers }: Answer) => ({
  status,
  text,
  type: headers.get('content-type'),
  reason: headers.get('x-intendant-error'),
})
