import { createServer, type ServerResponse } from 'node:http'

/** Server-sent events through node:http and nothing else: each POST is one event to everybody who listens. */
const listeners = new Set<ServerResponse>()
const data = JSON.stringify({
  position: '0000000000000003',
  stream: 'operation-01a1feb0-1fd7-73b1-a108-4b257b40f450',
  revision: 2,
  id: '01a1feb0-1fd7-73b1-a108-4b257b40f451',
  type: 'OperationSucceeded',
  data: { attempt: 1, result: { echo: null, attempt: 1 } },
  metadata: {
    correlationId: '01a1feb0-1fd7-73b1-a108-4b257b40f450',
    causationId: '01a1feb0-1fd7-73b1-a108-4b257b40f450',
    actor: { principal: 'anonymous', face: null, address: '127.0.0.1' },
    schema: 1,
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  },
  recordedAt: '2026-11-21T15:18:37.799Z',
})
let position = 0

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
    response.write('event: live\ndata: {}\n\n')
    listeners.add(response)
    response.on('close', () => listeners.delete(response))
    return
  }
  request.resume()
  const frame = Buffer.from(`id: ${String(++position).padStart(16, '0')}\nevent: OperationSucceeded\ndata: ${data}\n\n`)
  for (const listener of listeners) listener.write(frame)
  response.writeHead(202, { 'Content-Length': 0 }).end()
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) console.log(`ready on http://127.0.0.1:${address.port}`)
})
