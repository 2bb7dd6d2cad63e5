import { expect, test } from 'vitest'
import { freePortPair } from '../engines/ports.ts'
import { type Json, postJson, startCommand, startServer, submitProbe, temporaryDirectory } from './harness.ts'

interface Line extends Json {
  readonly offset: number
  readonly stream: string
  readonly text: string
  readonly state?: string
}

test('who follows output over a kill of the server misses nothing and reads nothing twice', async () => {
  const dataDir = temporaryDirectory()
  const env = { PORT: String(await freePortPair()) }
  const first = await startServer({ dataDir, env })
  const text = Array.from({ length: 20_000 }, (_, n) => `line ${n} ü\n`).join('')
  const id = await submitProbe(first.url, { output: text, sleepMs: 600_000 })
  const tail = startCommand(['operations', 'tail', id, '--json'], { INTENDANT_URL: first.url })
  const chunks: Line[] = []
  const next = async (): Promise<Line> => {
    const line = JSON.parse(await tail.nextLine()) as Line
    if (line.state === undefined) chunks.push(line)
    return line
  }
  const beginnings = (): number =>
    chunks
      .map((chunk) => chunk.text)
      .join('')
      .split('line 0 ü\n').length - 1
  await next()
  first.kill('SIGKILL')
  await first.ended

  // The second attempt says everything again, behind what the first one had recorded.
  const second = await startServer({ dataDir, env })
  const output = `${second.url}/v1/operations/${id}/output`
  while (beginnings() < 2) await next()
  await postJson(`${second.url}/v1/operations/${id}/cancel`, {})
  let line = await next()
  while (line.state === undefined) line = await next()
  expect(line.state).toBe('cancelled')
  expect((await tail.ended)[0]).toBe(4)

  let offset = 0
  for (const chunk of chunks) {
    expect(chunk.offset).toBe(offset)
    offset += Buffer.byteLength(chunk.text)
  }
  const whole = await fetch(output, { headers: { Accept: 'application/x-ndjson' } })
  const recorded = (await whole.text())
    .split('\n')
    .slice(0, -1)
    .map((each) => (JSON.parse(each) as Line).text)
  expect(chunks.map((chunk) => chunk.text).join('') === recorded.join('')).toBe(true)
  expect(recorded.join('').endsWith(text)).toBe(true)
})
