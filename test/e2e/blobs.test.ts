import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { sha256 } from '../../src/lib/ids.ts'
import { type ServerProcess, startServer } from './harness.ts'

const uploads = ({ dataDir }: ServerProcess): string => join(dataDir, 'blobs', 'uploads')
const files = (server: ServerProcess): readonly string[] =>
  readdirSync(uploads(server), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
const residentBytes = ({ pid }: ServerProcess): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024

const mebibyte = 1024 * 1024

/** Posts the content while `look` is called now and then. */
const post = async (
  server: ServerProcess,
  content: AsyncIterable<Uint8Array>,
  look = (): void => undefined,
): Promise<Response> => {
  const watched = async function* () {
    for await (const chunk of content) {
      look()
      yield chunk
    }
  }
  const body = Readable.toWeb(Readable.from(watched())) as ReadableStream
  return fetch(`${server.url}/v1/blobs`, { method: 'POST', body, duplex: 'half' } as RequestInit)
}

test('256 MiB are uploaded in constant memory, and come back', async () => {
  const server = await startServer()
  const block = randomBytes(mebibyte)
  const blocks = async function* (count: number) {
    for (let n = 0; n < count; n++) yield block
  }
  // What the first upload loads is no part of the figure.
  await post(server, blocks(1))
  const before = residentBytes(server)
  let most = before
  const stored = await post(server, blocks(256), () => {
    most = Math.max(most, residentBytes(server))
  })
  expect(stored.status).toBe(201)
  expect(most - before).toBeLessThan(64 * mebibyte)
  const { body } = await fetch(`${server.url}${stored.headers.get('location')}`)
  let got = 0
  for await (const chunk of body ?? []) got += chunk.length
  expect(got).toBe(256 * mebibyte)
}, 120_000)

test('what was acknowledged is there after a kill, and what was cut off by it is not', async () => {
  const server = await startServer()
  const content = randomBytes(3 * mebibyte)
  const { id } = (await (await post(server, Readable.from([content]))).json()) as { id: string }
  const { port } = new URL(server.url)
  const cut = request({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: '/v1/blobs',
    headers: { 'Content-Length': 50 * mebibyte },
  })
  cut.on('error', () => undefined)
  cut.write(randomBytes(5 * mebibyte))
  await expect.poll(() => files(server).length, { timeout: 20_000 }).toBe(2)
  server.kill('SIGKILL')
  await server.ended
  const again = await startServer({ dataDir: server.dataDir })
  expect(files(again)).toEqual([expect.stringMatching(sha256(content))])
  const got = await fetch(`${again.url}/v1/blobs/${id}`)
  expect(sha256(Buffer.from(await got.arrayBuffer()))).toBe(sha256(content))
  const repeated = await post(again, Readable.from([content]))
  expect(repeated.status).toBe(200)
})
