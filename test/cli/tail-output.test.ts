import { expect, onTestFinished, test, vi } from 'vitest'
import type { CommandFailed } from '../../src/cli/exit-codes.ts'
import type { Client } from '../../src/cli/http-client.ts'
import { type TailOptions, tailOutput } from '../../src/cli/tail-output.ts'

const message = (event: string, data: unknown, id?: number): string =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
const answer = (...messages: readonly string[]) => new Response(messages.join(''))

/** A server that gives these answers one after the other, and what was asked of it and printed. */
const tailed = async (answers: readonly (() => Response)[], options: TailOptions = {}) => {
  const asked: { readonly query: string; readonly lastEventId: string | undefined }[] = []
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    const spy = vi.spyOn(process[name], 'write').mockImplementation((text) => {
      printed[name] += text
      return true
    })
    onTestFinished(() => spy.mockRestore())
  }
  const client: Client = {
    send: async (_path, { query, headers } = {}) => {
      asked.push({ query: String(query), lastEventId: headers?.['Last-Event-ID'] })
      const next = answers[asked.length - 1]
      if (next === undefined) throw new Error('asked too often')
      return next()
    },
    json: () => expect.unreachable(),
    upload: () => expect.unreachable(),
  }
  const failure = await tailOutput(client, '/output', options).then(
    () => undefined,
    (error: CommandFailed) => error.message,
  )
  return { asked, printed, failure }
}

test('stdout goes to stdout and stderr to stderr', async () => {
  const { printed, asked } = await tailed(
    [() => answer(':\n\n', message('stdout', 'one\n', 4), message('stderr', 'two\n', 8), message('end', { state: 'failed' }))],
    { lastLines: 2 },
  )
  expect(printed).toEqual({ stdout: 'one\n', stderr: 'two\n' })
  expect(asked).toEqual([{ query: 'lastLines=2', lastEventId: undefined }])
})

test('JSON goes to stdout, whatever the stream', async () => {
  const { printed } = await tailed([() => answer(message('stderr', 'zwei ü\n', 12), message('end', {}))], { json: true })
  expect(printed).toEqual({ stdout: '{"offset":4,"stream":"stderr","text":"zwei ü\\n"}\n', stderr: '' })
})

test('a connection that ends is taken up again, also from a server that starts', async () => {
  const { printed, asked } = await tailed([
    () => answer(message('stdout', 'one\n', 4)),
    () => new Response('{"detail":"starting"}', { status: 503 }),
    () => answer(message('stdout', 'two\n', 8), message('end', {})),
  ])
  expect(printed.stdout).toBe('one\ntwo\n')
  expect(asked.map(({ lastEventId }) => lastEventId)).toEqual([undefined, '4', '4'])
})

test.each([
  [() => new Response('{"detail":"starting"}', { status: 503 }), '503: starting'],
  [() => new Response('{"detail":"there is no operation x"}', { status: 404 }), '404: there is no operation x'],
])('the first connection must succeed', async (first, failure) => {
  expect(await tailed([first])).toMatchObject({ failure })
})
