import { type EventEmitter, once } from 'node:events'
import { readdirSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../../src/lib/clock.ts'
import { asRoot } from '../../../../src/workers/clusters/ssh/shell.ts'
import { createTargets } from '../../../../src/workers/outbound/address-guard.ts'
import { inShell, openSshHost, untilClosed } from '../../../engines/ssh-host.ts'
import { at, run, session, ssh } from './tools.ts'

/** A clock whose timers of this length are due at once. */
const soonAfter = (ms: number) => ({
  ...systemClock,
  after: (wanted: number, then: () => void) => systemClock.after(wanted === ms ? 50 : wanted, then),
})

/** A listener that speaks no SSH. */
const listener = async (onConnection: (socket: Socket) => void) => {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined).resume())
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { address: '127.0.0.1', port: (server.address() as AddressInfo).port, sockets }
}

const closedSockets = (sockets: readonly Socket[]) => Promise.all(sockets.map(untilClosed))

describe('during the login', () => {
  test('nobody listens', async () => {
    const { address, port } = await openSshHost()
    const free = await listener(() => undefined)
    expect(port).not.toBe(free.port)
    await expect(ssh().connect(at({ address, port: 1 }))).rejects.toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })

  test('a name leads nowhere', async () => {
    await expect(ssh().connect(at({ address: 'no-such-host.invalid', port: 22 }))).rejects.toMatchObject({
      reason: 'unreachable',
    })
  })

  test('a host that says nothing is given up after 10 s', async () => {
    const silent = await listener(() => undefined)
    await expect(ssh({ clock: soonAfter(10_000) }).connect(at(silent))).rejects.toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('within 10 s'),
    })
    await closedSockets(silent.sockets)
  })

  test('a banner that never ends is cut off', async () => {
    const talking = await listener((socket) => {
      const line = `${'all work and no play '.repeat(10)}\r\n`
      const talk = (): void => {
        while (socket.writable && socket.write(line));
        socket.once('drain', talk)
      }
      talk()
    })
    await expect(ssh().connect(at(talking))).rejects.toMatchObject({ reason: expect.stringMatching('flood') })
    await closedSockets(talking.sockets)
  })

  test('a host that hangs up, before and after its version', async () => {
    const mute = await listener((socket) => socket.end())
    await expect(ssh().connect(at(mute))).rejects.toMatchObject({ reason: 'unreachable' })
    const short = await listener((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'))
    await expect(ssh().connect(at(short))).rejects.toMatchObject({ reason: 'unreachable' })
    const web = await listener((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await expect(ssh().connect(at(web))).rejects.toMatchObject({ reason: 'unreachable' })
  })

  test('a refused key', async () => {
    const host = await openSshHost({ onLogin: (login) => login.reject(['publickey']) })
    await expect(ssh().connect(at(host))).rejects.toMatchObject({ reason: 'auth-refused' })
    expect(host.logins).toEqual(['root'])
    await host.idle()
  })

  test('an old host needs a setting', async () => {
    const host = await openSshHost({
      config: { algorithms: { kex: ['diffie-hellman-group14-sha1'], hmac: ['hmac-sha1'], cipher: ['aes128-ctr'] } },
    })
    await expect(ssh().connect(at(host))).rejects.toMatchObject({ reason: 'no-common-algorithm' })
    await session(at(host), { moreAlgorithms: ['diffie-hellman-group14-sha1', 'hmac-sha1'] })
  })

  test('an address that may not be reached is not asked, by number or by name', async () => {
    const host = await openSshHost()
    const addresses = createTargets({ allowLinkLocal: false, allowPrivate: false })
    await expect(ssh({ addresses }).connect(at(host))).rejects.toMatchObject({ reason: 'address-refused' })
    await expect(ssh({ addresses }).connect(at({ ...host, address: 'localhost' }))).rejects.toMatchObject({
      reason: 'address-refused',
    })
    expect(host.sockets.size).toBe(0)
  })

  test('the signal ends it', async () => {
    const silent = await listener(() => controller.abort(new Error('stop')))
    const controller = new AbortController()
    await expect(ssh().connect(at(silent, { signal: controller.signal }))).rejects.toThrow('stop')
    await expect(ssh().connect(at(silent, { signal: controller.signal }))).rejects.toThrow('stop')
    await closedSockets(silent.sockets)
  })
})

describe('while a command runs', () => {
  test('other users run it as root by sudo', async () => {
    const host = await openSshHost({ onCommand: inShell })
    const opened = await session(at(host, { user: 'fedora' }))
    const sudo = `sudo() { while [ "$1" != -- ]; do shift; done; shift; "$@"; }; `
    const command = `printf '%s' "it's $((1 + 1))"`
    expect(asRoot('root', command)).toBe(command)
    expect(asRoot('fedora', command)).toMatch(/^sudo -n -H -u root -- \/bin\/sh -c '/)
    expect(await run(opened, sudo + asRoot('fedora', command))).toMatchObject({ exitCode: 0, stdout: "it's 2" })
    expect(new Set(host.logins)).toEqual(new Set(['fedora']))
  })

  test('one that hangs is ended at its time limit', async () => {
    const host = await openSshHost({ onCommand: (_command, channel) => channel.write('begun') })
    const opened = await session(at(host), { clock: soonAfter(60_000) })
    await expect(run(opened, 'sleep 3600', { timeLimitMs: 60_000 })).rejects.toMatchObject({
      reason: 'time-limit',
      message: expect.stringContaining('60 s'),
    })
    await host.idle()
    await expect(run(opened, 'true')).rejects.toMatchObject({ reason: 'lost' })
  })

  test('the signal ends it', async () => {
    const controller = new AbortController()
    const host = await openSshHost({ onCommand: () => controller.abort(new Error('stop')) })
    const opened = await session(at(host, { signal: controller.signal }))
    await expect(run(opened, 'sleep 3600')).rejects.toThrow('stop')
    await host.idle()
  })

  test('a lost connection fails it', async () => {
    const host = await openSshHost({
      onCommand: (_command, channel) => {
        channel.write('half')
        for (const socket of host.sockets) socket.destroy()
      },
    })
    await expect(run(await session(at(host)), 'cat')).rejects.toMatchObject({ reason: 'lost' })
  })

  test('a channel that is closed without an exit code fails it', async () => {
    const host = await openSshHost({ onCommand: (_command, channel) => channel.close() })
    await expect(run(await session(at(host)), 'cat')).rejects.toMatchObject({ reason: 'lost' })
  })

  test('a flood of output is sent no faster than it is taken', async () => {
    const bytes = 32 * 1024 * 1024
    let sent = 0
    const host = await openSshHost({
      onCommand: (_command, channel) => {
        const part = Buffer.alloc(64 * 1024, 'x')
        const flood = (): void => {
          while (sent < bytes) {
            sent += part.length
            if (!channel.write(part)) return void channel.once('drain', flood)
          }
          channel.exit(0)
          channel.end()
        }
        flood()
      },
    })
    const opened = await session(at(host))
    let taken = 0
    const pipe = async (source: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of source) {
        taken += chunk.length
        // What waits here, on the way and at the host.
        expect(sent - taken).toBeLessThan(8 * 1024 * 1024)
      }
    }
    expect(await opened.exec('yes', { timeLimitMs: 120_000, pipe })).toEqual({ exitCode: 0 })
    expect(taken).toBe(bytes)
  })

  test('a host that ignores the flow control is left', async () => {
    const host = await openSshHost({
      onCommand: (_command, channel) => {
        // The window that the client grants is taken for endless; it never becomes exactly 0.
        const { outgoing } = channel as unknown as { outgoing: { window: number } }
        const part = Buffer.alloc(30_001, 'x')
        const flood = (): void => {
          if (host.sockets.size === 0) return
          outgoing.window = Number.MAX_SAFE_INTEGER
          channel.write(part)
          setImmediate(flood)
        }
        flood()
      },
    })
    const opened = await session(at(host))
    // Reads nothing, as while the log is out of reach.
    const pipe = (source: EventEmitter): Promise<void> => new Promise((resolve) => source.once('close', () => resolve()))
    await expect(opened.exec('yes', { timeLimitMs: 120_000, pipe })).rejects.toMatchObject({ reason: 'flood' })
  })

  test('no descriptor is left behind', async () => {
    const host = await openSshHost()
    const count = () => readdirSync('/proc/self/fd').length
    const before = count()
    for (let round = 0; round < 8; round++) {
      const opened = await ssh().connect(at(host))
      await run(opened, 'true')
      await opened.end()
      await expect(ssh().connect({ ...at(host), knownFingerprint: 'SHA256:other' })).rejects.toThrow()
    }
    await host.idle()
    expect(count()).toBeLessThanOrEqual(before)
  })
})
