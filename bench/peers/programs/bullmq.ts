import { serve } from '@hono/node-server'
import { Queue, QueueEvents, Worker } from 'bullmq'
import { Hono } from 'hono'

/** BullMQ as its documentation starts it, behind the same HTTP front: queue, worker and events in one process. */
const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null }
const concurrency = 64
const waitMs = 10_000

const queue = new Queue('probe', { connection })
const events = new QueueEvents('probe', { connection })
const worker = new Worker('probe', async () => ({ echo: null }), { connection, concurrency })
await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()])

const app = new Hono()
app.post('/jobs', async (c) => {
  const job = await queue.add('probe', await c.req.json())
  return c.json({ id: job.id, state: 'waiting' }, 202)
})
app.post('/jobs/wait', async (c) => {
  const job = await queue.add('probe', await c.req.json())
  return c.json({ id: job.id, state: 'completed', result: await job.waitUntilFinished(events, waitMs) })
})
app.get('/jobs/:id', async (c) => c.json({ id: c.req.param('id'), state: await queue.getJobState(c.req.param('id')) }))
app.get('/counts', async (c) => c.json(await queue.getJobCounts('wait', 'active', 'completed')))

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => console.log(`ready on http://127.0.0.1:${port}`))
