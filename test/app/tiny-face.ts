import { z } from 'zod'
import { faceModule } from '../../src/app/face-module.ts'
import { type Decider, refuse } from '../../src/commands/decider.ts'
import { defineEvents, type EventOf } from '../../src/events/define.ts'
import { headerOf } from '../../src/http/faces/arrival.ts'
import type { Face } from '../../src/http/faces/face.ts'
import { caused, type HttpContext, requestContext } from '../../src/http/faces/http-context.ts'
import type { HttpPorts } from '../../src/http/faces/http-ports.ts'
import type { DocumentedRoute } from '../../src/http/faces/native-route.ts'
import { readBody } from '../../src/http/reading/body.ts'
import { json } from '../../src/http/replies/json.ts'
import { Problem } from '../../src/http/replies/problem.ts'
import type { Reply } from '../../src/http/replies/reply.ts'
import { on, type Projection } from '../../src/projections/projection.ts'
import { noBackoff, type Work } from '../../src/workers/work.ts'

const noteEvents = defineEvents('tinyNote', { NoteWritten: z.object({ text: z.string() }) })
type NoteEvent = EventOf<typeof noteEvents>

interface WriteNote {
  readonly name: string
  readonly text: string
}
interface NoteState {
  readonly text: string | null
  readonly times: number
}

const note: Decider<WriteNote, NoteEvent, NoteState, { readonly reason: 'empty' }> = {
  category: 'tinyNote',
  streamOf: ({ name }) => `tinyNote-${name}`,
  initial: { text: null, times: 0 },
  evolve: ({ times }, { data: { text } }) => ({ text, times: times + 1 }),
  decide: ({ text }) => (text === '' ? refuse({ reason: 'empty' }) : { events: [{ type: 'NoteWritten', data: { text } }] }),
}

const notes: Projection = {
  name: 'tiny-notes',
  version: 1,
  filter: { streamPrefixes: ['tinyNote-'] },
  schema: ['CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL, times INTEGER NOT NULL) STRICT'],
  apply: on(noteEvents, {
    NoteWritten: ({ stream, data: { text } }, tx) =>
      tx.run(
        'INSERT INTO notes VALUES (?, ?, 1) ON CONFLICT (name) DO UPDATE SET text = excluded.text, times = times + 1',
        stream.slice('tinyNote-'.length),
        text,
      ),
  }),
}
const byName = 'SELECT * FROM notes WHERE name = ?'

const CountInput = z.strictObject({ name: z.string(), position: z.string() })

const NoteDocument = z.object({ name: z.string(), text: z.string(), times: z.number() })
const documents: readonly DocumentedRoute[] = [
  {
    method: 'get',
    path: '/tiny/notes/{name}',
    summary: 'A note',
    tag: 'Tiny',
    answers: { 200: { description: 'The note', schema: NoteDocument } },
  },
  {
    method: 'post',
    path: '/tiny/notes/{name}',
    summary: 'Write a note and count its characters',
    tag: 'Tiny',
    body: z.string(),
    bodyType: 'text/plain',
    answers: { 202: { description: 'The operation that counts', schema: z.object({ operation: z.string() }) } },
  },
]

/** What `answered` has seen, as `METHOD path status`. */
export interface Seen {
  readonly answers: string[]
  /** How often `authenticate` was asked. */
  asked: number
}

const words = (status: number, body: string): Reply => ({ status, headers: { 'Content-Type': 'text/plain' }, body })

const createTinyFace = (ports: HttpPorts, seen: Seen): Face => {
  const write = async (c: HttpContext, name: string): Promise<Reply> => {
    const text = (await readBody(c)).toString()
    if (text === 'break') throw new Error('broken on purpose')
    const context = requestContext(c)
    const { refused, position } = {
      refused: undefined,
      position: null,
      ...(await ports.executor.execute(note, { name, text }, context)),
    }
    if (refused !== undefined) return words(400, 'tiny: a note has text')
    const counted = await ports.submit(
      { kind: 'tiny.count', input: { name, position: position ?? (await ports.log.head()) } },
      { ...context, commandId: `${context.commandId}-count`, causationId: context.commandId },
      { internal: true },
    )
    if (counted.refused !== undefined) throw new Error(`refused: ${counted.refused.reason}`)
    caused(c, { operationId: counted.operationId, ...(counted.position === null ? {} : { position: counted.position }) })
    return json({ operation: counted.operationId }, 202)
  }
  const isNote = (path: string): boolean => /^\/tiny\/notes\/[^/]+$/.test(path)
  return {
    name: 'tiny',
    owns: (path) => path.startsWith('/tiny/'),
    pathOf: (path) => path.replace(/\/$/, '').replace(/\.py$/, ''),
    head: 'none',
    routes: [
      {
        method: 'GET',
        path: '/tiny/notes/:name',
        reads: ['tiny-notes'],
        handle: (c, { name = '' }) => {
          const row = c.known.views('tiny-notes').get(byName, name)
          return row === undefined ? words(404, 'tiny: no such note') : json(row)
        },
      },
      { method: 'POST', path: '/tiny/notes/:name', handle: (c, { name = '' }) => write(c, name) },
    ],
    access: (method, path) => {
      if (!isNote(path)) return 'open'
      return method === 'GET' ? 'read' : 'write'
    },
    authenticate: async (c) => {
      seen.asked += 1
      const name = headerOf(c, 'tiny-name')
      if (name === undefined) return undefined
      return headerOf(c, 'tiny-password') === 'open' ? { name: `tiny:${name}`, scopes: ['tiny:read', 'tiny:write'] } : 'refused'
    },
    notFound: () => words(404, 'tiny: nowhere'),
    methodNotAllowed: (_c, allow) => ({ ...words(405, 'tiny: not like this'), headers: { Allow: allow.join(', ') } }),
    unauthorised: (_c, reason, scope) => words(403, `tiny: ${reason} ${scope}`),
    failed: (_c, error) =>
      error instanceof Problem ? words(error.status, `tiny: ${error.message}`) : words(500, 'tiny: out of order'),
    answered: (c, answer, durationMs) => {
      seen.answers.push(`${c.method} ${c.sentPath} ${answer.status} ${c.principal.name}`)
      return { ...answer, headers: { ...answer.headers, 'Tiny-Duration': String(durationMs >= 0) } }
    },
    documents,
  }
}

/** A whole face in one file: a decider, a view, a kind of work, two routes, credentials and words of its own. */
export const tinyFace = (seen: Seen = { answers: [], asked: 0 }) =>
  faceModule({
    name: 'tiny',
    settings: () => undefined,
    variables: [],
    deciders: [note],
    projections: [notes],
    kinds: { 'tiny.count': { reads: ['tiny-notes'] } },
    works: async ({ projections }) => [
      {
        kind: 'tiny.count',
        face: 'tiny',
        description: 'Counts the characters of a note',
        submittable: false,
        input: CountInput,
        policy: { attempts: 3, timeoutMs: 60_000, backoff: noBackoff, whenLost: 'retry' },
        run: async ({ name, position }) => {
          if (!(await projections.reached(position, { timeoutMs: 20_000, names: ['tiny-notes'] })))
            throw new Error('the view does not come')
          return { characters: String(projections.views('tiny-notes').get(byName, name)?.text).length }
        },
      } satisfies Work<z.infer<typeof CountInput>> as Work,
    ],
    serve: async ({ ports }) => ({ face: createTinyFace(ports, seen) }),
  })
