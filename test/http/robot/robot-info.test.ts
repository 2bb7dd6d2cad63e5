import { expect, test } from 'vitest'
import { useApp } from '../app.ts'

const server = useApp()

test('GET /robot/info', async () => {
  const answer = await server.it.ask('GET /robot/info')
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer).toMatchObject({ status: 200 })
  expect(answer.json).toEqual({ repositories: { data: { url: '' }, config: { url: '' } }, storage_healthy: true })
  expect(await server.it.ask('HEAD /robot/info')).toMatchObject({ status: 200, text: '' })
})

test('GET /robot/metrics', async () => {
  const [one, other] = await Promise.all([server.it.ask('GET /robot/metrics'), server.it.ask('GET /robot/metrics')])
  const number = expect.any(Number)
  expect(one).toMatchObject({ status: 200 })
  expect(one.json).toEqual({
    cpu: { user: number, nice: number, system: number, idle: number, iowait: number, irq: number, softirq: number },
    memory: { total: number, active: number, free: number, cached: number, swap_total: number, swap_free: number },
    nr_services: 0,
  })
  const percents: number[] = Object.values(one.json.cpu)
  for (const percent of percents) {
    expect(percent).toBeGreaterThanOrEqual(0)
    expect(percent).toBeLessThanOrEqual(100)
  }
  expect(percents.reduce((sum, percent) => sum + percent)).toBeLessThanOrEqual(100.01)
  expect(one.json.memory.total).toBeGreaterThan(one.json.memory.free)
  expect(other.json.cpu).toEqual(one.json.cpu)
})

test('what the past cannot know is null', async () => {
  const { headers } = await server.it.ask('POST /robot/webhooks', { body: { url: 'http://example.com/', kind: 'eco' } })
  const past = { headers: { 'As-Of': headers.get('event-position') ?? '' } }
  expect((await server.it.ask('GET /robot/info', past)).json).toEqual({
    ...{ repositories: { data: { url: '' }, config: { url: '' } }, storage_healthy: null },
  })
  expect((await server.it.ask('GET /robot/metrics', past)).json).toEqual({ cpu: null, memory: null, nr_services: 0 })
})
