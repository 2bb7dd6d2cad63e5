import { PassThrough } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import type { Clock } from '../../../lib/clock.ts'
import { type Connection, type ConnectionOptions, logIn } from './connection.ts'
import { type ExecEnd, type ExecOptions, type Ssh, SshFailed, type SshSession, type SshTarget } from './ssh.ts'

/** How long the other end has to close its half of the connection. */
const farewellMs = 1_000
/** Twice what ssh2 allows a host to send ahead on both streams of a channel. */
const mostUnreadBytes = 8 * 1024 * 1024
/** Answers that a host asks for and does not read. */
const mostUnsentBytes = 8 * 1024 * 1024

/** SSH by npm ssh2. */
export const createSsh = (options: ConnectionOptions): Ssh => ({
  connect: async (target) => openSession(await logIn(target, options), target, options.clock),
})

const openSession = (
  { client, socket, fingerprint }: Connection,
  { address, port, signal }: SshTarget,
  clock: Clock,
): SshSession => {
  const where = `${address}:${port}`
  const { promise: closed, resolve: closes } = Promise.withResolvers<void>()
  const { promise: broken, reject: breaks } = Promise.withResolvers<never>()
  broken.catch(() => undefined)
  const channels = new Set<ClientChannel>()

  /** Nothing runs any longer; the first reason is the one that counts. */
  const breakOff = (reason: unknown): void => {
    breaks(reason)
    socket.destroy()
  }
  /** What runs loses its streams, as it does where a terminal is closed; ssh2 sends no signals once standard input has ended. */
  const stop = (reason: unknown): void => {
    breaks(reason)
    leave()
  }
  const leave = (): void => {
    client.end()
    const cancel = clock.after(farewellMs, () => socket.destroy())
    void closed.then(cancel)
  }
  const abort = (): void => stop(signal.reason)
  /** A host that ignores the flow control of the protocol would fill the memory. */
  const guard = (): void => {
    const unread = [...channels].reduce((bytes, channel) => bytes + channel.readableLength + channel.stderr.readableLength, 0)
    if (unread > mostUnreadBytes || socket.writableLength > mostUnsentBytes)
      breakOff(new SshFailed('flood', `${where} sends more than it may`))
  }
  signal.addEventListener('abort', abort, { once: true })
  socket.on('data', guard)
  socket.once('close', () => {
    signal.removeEventListener('abort', abort)
    breaks(new SshFailed('lost', `the connection with ${where} was lost`))
    closes()
  })
  client.on('error', (error) => breakOff(new SshFailed('lost', `the connection with ${where} was lost: ${error.message}`)))
  if (signal.aborted) abort()
  if (socket.closed) closes()

  const open = (command: string): Promise<ClientChannel> =>
    new Promise((resolve, reject) => {
      client.exec(command, (error, channel) => {
        if (error) return reject(new SshFailed('lost', `${where} does not run a command: ${error.message}`))
        channels.add(channel)
        resolve(channel)
      })
    })

  const run = async (channel: ClientChannel, { stdin = '', pipe = drop }: ExecOptions): Promise<ExecEnd> => {
    const ended = new Promise<ExecEnd>((resolve, reject) => {
      channel.once('close', (exitCode: number | null | undefined, by?: string) => {
        if (exitCode === undefined) reject(new SshFailed('lost', `${where} did not say how the command ended`))
        else resolve({ exitCode, ...(by === undefined ? {} : { signal: by }) })
      })
    })
    ended.catch(() => undefined)
    // Whoever reads a channel to its end closes it, and its exit code would not come.
    const stdout = channel.pipe(new PassThrough())
    const stderr = channel.stderr.pipe(new PassThrough())
    for (const stream of [channel, channel.stderr]) stream.on('error', () => undefined)
    channel.end(stdin)
    const taken = Promise.all([pipe(stdout, 'stdout'), pipe(stderr, 'stderr')])
    taken.catch(() => undefined)
    try {
      await Promise.race([taken, broken])
      return await Promise.race([ended, broken])
    } finally {
      channels.delete(channel)
      stdout.destroy()
      stderr.destroy()
      await taken.catch(() => undefined)
    }
  }

  const exec: SshSession['exec'] = async (command, execOptions) => {
    signal.throwIfAborted()
    if (!socket.writable) throw new SshFailed('lost', `the connection with ${where} was lost`)
    const { timeLimitMs } = execOptions
    const cancel = clock.after(timeLimitMs, () =>
      stop(new SshFailed('time-limit', `the command on ${where} took longer than ${timeLimitMs / 1000} s`)),
    )
    try {
      return await run(await Promise.race([open(command), broken]), execOptions)
    } finally {
      cancel()
    }
  }

  return {
    fingerprint,
    exec,
    end: () => {
      leave()
      return closed
    },
  }
}

const drop: NonNullable<ExecOptions['pipe']> = async (source) => {
  for await (const _ of source);
}
