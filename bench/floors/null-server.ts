import { serve } from '@hono/node-server'
import { Hono } from 'hono'

/** What HTTP costs alone: the same front, an answer as long as the product's, and nothing stored. */
const operation = {
  id: '01a1feb0-1fd7-73b1-a108-4b257b40f450',
  kind: 'probe',
  face: null,
  lane: null,
  state: 'succeeded',
  attempt: 1,
  maxAttempts: 5,
  requestedAt: '2026-11-21T15:18:37.788Z',
  startedAt: '2026-11-21T15:18:37.795Z',
  finishedAt: '2026-11-21T15:18:37.799Z',
  result: { echo: 'hello', attempt: 1 },
  error: null,
  revision: 2,
  position: '0000000000000003',
}

const app = new Hono()
app.post('/operations', async (c) => {
  await c.req.json()
  return c.json(operation, 202)
})
app.get('/operations/:id', (c) => c.json(operation))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => console.log(`ready on http://127.0.0.1:${port}`))
