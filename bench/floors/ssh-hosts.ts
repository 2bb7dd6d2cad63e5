import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import ssh2 from 'ssh2'

/** Hosts on many addresses of loopback, which let everybody in and answer at once what an investigation asks. */
const hosts = Number(process.argv[2])

const answers: Readonly<Record<string, string>> = {
  'cat /etc/os-release': 'NAME=Fedora\nID=fedora\nVERSION_ID=40\n',
  'nproc --all': '2\n',
  'cat /proc/meminfo': 'MemTotal: 2048000 kB\nMemFree: 1024 kB\n',
  'df -kP': 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 41152736 2000000 39152736 5% /\n',
}
const refused = 'test -e /run/ostree-booted'

const hostKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'sec1', format: 'pem' })
const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
  connection.on('error', () => undefined)
  connection.on('authentication', (login) => login.accept())
  connection.on('session', (accept) => {
    accept().on('exec', (acceptCommand, _reject, { command }) => {
      const channel = acceptCommand()
      channel.resume()
      channel.write(answers[command] ?? 'Complete!\n')
      channel.exit(command === refused ? 1 : 0)
      channel.end()
    })
  })
})

const listen = (address: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const listener = createServer((socket: Socket) => server.injectSocket(socket))
    listener.once('error', reject)
    listener.listen(port, address, () => {
      const bound = listener.address()
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port)
    })
  })

const port = await listen('127.0.0.1', 0)
for (let host = 2; host <= hosts; host++) await listen(`127.0.0.${host}`, port)
console.log(`ready on ${port}`)
