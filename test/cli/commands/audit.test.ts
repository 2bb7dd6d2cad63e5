import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../../e2e/harness.ts'

const pair = (place: number): string => [place, place].map((part) => String(part).padStart(19, '0')).join('-')

/** What a server with its log on EventStoreDB answers: its positions are pairs. */
const serverOf = async (places: readonly number[]): Promise<string> => {
  const items = places.map((place, revision) => ({
    position: pair(place),
    stream: 'lane-x',
    revision,
    id: '019ab2c4-0000-7000-8000-000000000000',
    type: 'LaneAcquired',
    data: { operation: String(revision) },
    metadata: { correlationId: 'x', actor: { principal: 'anonymous', face: null, address: null }, schema: 1 },
    recordedAt: `2026-11-21T05:27:0${revision}.000Z`,
  }))
  const server = createServer(({ url = '' }, response) => {
    const asOf = new URL(url, 'http://localhost').searchParams.get('asOf') ?? '9999'
    const known = items.filter(({ recordedAt }) => recordedAt <= asOf)
    response
      .setHeader('Content-Type', 'application/json')
      .end(JSON.stringify({ items: known, next: null, revision: known.length - 1 }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test.each([
  [pair(9911), 1],
  ['9911-9911', 1],
  ['9911', 1],
  [pair(9910), 0],
  ['2026-11-21T05:27:01.000Z', 1],
])('audit replay goes as far as %s', async (asOf, revision) => {
  const url = await serverOf([800, 9911, 12000])
  const replayed = await runCommand(['audit', 'replay', '--stream', 'lane-x', '--url', url, '--as-of', asOf, '--json'])
  expect(replayed).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(replayed.stdout)).toMatchObject({ revision, asOf })
})

test.each(['9911-', '-9911', '1-2-3', 'yesterday', ''])('audit replay refuses "%s" as a moment', async (asOf) => {
  const url = await serverOf([800])
  const refused = await runCommand(['audit', 'replay', '--stream', 'lane-x', '--url', url, `--as-of=${asOf}`])
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(`"${asOf}"`) })
})
