import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import ssh2, { type AuthContext, type Connection, type ServerChannel, type ServerConfig } from 'ssh2'
import { onTestFinished } from 'vitest'
import { makeKeyPair } from './sshd.ts'

/** What a host does with a command. */
export type CommandAnswer = (command: string, channel: ServerChannel, connection: Connection) => void

export interface SshHostOptions {
  readonly onCommand?: CommandAnswer
  /** Default: everybody may log in. */
  readonly onLogin?: (login: AuthContext) => void
  readonly config?: Partial<ServerConfig>
}

/** A host of ssh2's server in this process, for what a real sshd never does. Closed with the test. */
export const openSshHost = async ({ onCommand = ended(0), onLogin = accept, config = {} }: SshHostOptions = {}) => {
  const logins: string[] = []
  const commands: string[] = []
  const sockets = new Set<Socket>()
  const server = new ssh2.Server({ hostKeys: [makeKeyPair().private], ...config }, (connection) => {
    connection.on('error', () => undefined)
    connection.on('authentication', (login) => {
      logins.push(login.username)
      onLogin(login)
    })
    connection.on('session', (acceptSession) => {
      acceptSession().on('exec', (acceptCommand, _reject, { command }) => {
        commands.push(command)
        const channel = acceptCommand()
        channel.on('error', () => undefined)
        onCommand(command, channel, connection)
      })
    })
  })
  const { _srv: listener } = server as unknown as { readonly _srv: Server }
  const track = (socket: Socket): void => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }
  listener.on('connection', track)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
  }
  onTestFinished(close)
  return {
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    logins,
    commands,
    sockets,
    /** Speaks SSH on a connection that came elsewhere. */
    take: (socket: Socket): void => {
      track(socket)
      server.injectSocket(socket)
    },
    /** Resolves when no connection is open. */
    idle: async (): Promise<void> => {
      await Promise.all([...sockets].map(untilClosed))
    },
  }
}

/** Lets a host answer on `count` addresses more, at its port; they are closed with the test. */
export const onAddresses = async (host: Awaited<ReturnType<typeof openSshHost>>, count: number): Promise<readonly string[]> => {
  const addresses = Array.from({ length: count }, (_, index) => `127.${20 + (process.pid % 200)}.200.${index + 1}`)
  for (const address of addresses) {
    const listener = createServer(host.take).listen(host.port, address)
    await once(listener, 'listening')
    onTestFinished(() => void listener.close())
  }
  return addresses
}

/** `once` would reject where the connection was reset. */
export const untilClosed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })

const accept = (login: AuthContext): void => login.accept()

/** The command has ended. */
export const ended =
  (exitCode: number): CommandAnswer =>
  (_command, channel) => {
    channel.exit(exitCode)
    channel.end()
  }

/** Runs the command in a shell of this machine. */
export const inShell: CommandAnswer = (command, channel) => {
  const child = spawn('/bin/sh', ['-c', command])
  channel.pipe(child.stdin)
  child.stdout.on('data', (chunk) => channel.write(chunk))
  child.stderr.on('data', (chunk) => channel.stderr.write(chunk))
  child.on('close', (code) => {
    channel.exit(code ?? 255)
    channel.end()
  })
}
