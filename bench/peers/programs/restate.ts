import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createEndpointHandler, service } from '@restatedev/restate-sdk'

/** A Restate service that does nothing, and a count of what it did. */
let done = 0
const probe = service({
  name: 'probe',
  handlers: {
    run: async (): Promise<{ echo: null }> => {
      done++
      return { echo: null }
    },
  },
})

const services = createHttp2Server(createEndpointHandler({ services: [probe] }))
services.listen(0, '127.0.0.1', () => {
  const counting = createServer((_, response) => response.end(JSON.stringify({ done })))
  counting.listen(0, '127.0.0.1', () => {
    const [service, count] = [services, counting].map((server) => (server.address() as AddressInfo).port)
    console.log(`ready on ${service} ${count}`)
  })
})
