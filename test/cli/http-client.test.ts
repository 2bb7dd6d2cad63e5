import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../src/cli/http-client.ts'
import { makeCertificate } from '../engines/certificate.ts'

const portOf = async (server: Server): Promise<number> => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test('a refusal for want of credentials says where the token goes', async () => {
  const problem = JSON.stringify({ detail: 'credentials are missing or wrong' })
  const server = createServer((_request, response) => response.writeHead(401).end(problem))
  const client = createClient({ url: `http://127.0.0.1:${await portOf(server)}` })
  await expect(client.json('/v1/operations')).rejects.toThrow(
    '401: credentials are missing or wrong. Set INTENDANT_TOKEN to the token of a credential, or give --token.',
  )
})

test('a certificate of an unknown authority is told from a server that is not there', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'intendant-client-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const { certificate, key } = makeCertificate(directory, 'server', 'DNS:localhost,IP:127.0.0.1')
  const server = createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) })
  const url = `https://127.0.0.1:${await portOf(server)}`
  await expect(createClient({ url }).json('/v1/operations')).rejects.toThrow(
    `the certificate of ${url} is not trusted: DEPTH_ZERO_SELF_SIGNED_CERT. Set NODE_EXTRA_CA_CERTS`,
  )
})
