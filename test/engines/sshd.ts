import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import ssh2 from 'ssh2'
import { startWithinMs } from './engine.ts'
import { untilAccepting } from './ports.ts'
import { type FakeSystem, fakeFiles, fakePrograms } from './sshd-system.ts'

/** OpenSSH's server, as Debian's package openssh-server installs it. */
const sshd = '/usr/sbin/sshd'

/** Why tests of real hosts are skipped; undefined where they can run. */
export const noSshd: string | undefined = existsSync(sshd) ? undefined : `${sshd} is missing: install openssh-server`

/** Who can log in: sshd lets nobody but its own user in where it does not run as root. */
export const remoteUser = userInfo().username

export interface KeyPair {
  /** In base64, as clients send it. */
  readonly base64: string
  readonly private: string
  /** One line of `authorized_keys`. */
  readonly public: string
}

/** Not by ssh2: one of its hundred Ed25519 keys cannot be read. */
export const makeKeyPair = (): KeyPair => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'sec1', format: 'pem' }).toString()
  const parsed = ssh2.utils.parseKey(pem)
  if (parsed instanceof Error) throw parsed
  return {
    base64: Buffer.from(pem).toString('base64'),
    private: pem,
    public: `${parsed.type} ${parsed.getPublicSSH().toString('base64')}`,
  }
}

/** One machine: a real sshd with files and programs of its own. */
export interface SshdHost {
  readonly addresses: readonly string[]
  /** The first of its addresses. */
  readonly address: string
  readonly port: number
  /** What logs in there. */
  readonly key: KeyPair
  /** The commands that came over SSH, as they were sent. */
  commands(): readonly string[]
  /** What its programs were called with: `dnf install -y docker`. Empty before the first call. */
  calls(): readonly string[]
  /** A file by its absolute path; undefined where it is missing. */
  read(path: string): string | undefined
  write(path: string, text: string): void
  remove(path: string): void
  /** Puts a program, written for `/bin/sh`, in the place of a fake one. Its calls are recorded as well. */
  program(name: string, script: string): void
  /** What `systemctl reboot` does. Default `returns`: new boot id, back after a moment. */
  onReboot(what: 'returns' | 'stays down' | 'nothing'): void
  /** The machine gets another host key, and is started again with it. */
  changeHostKey(): Promise<void>
  /** Ends sshd and every session. */
  stop(): void
  start(): Promise<void>
  /** Ends it and removes its files. */
  close(): void
}

export interface SshdOptions extends FakeSystem {
  /** Default: one that is made. */
  readonly key?: KeyPair
  /** How many addresses it listens on, at most 16. Default 1. */
  readonly addresses?: number
}

const open = new Set<SshdHost>()
process.on('exit', () => {
  for (const host of open) host.close()
})

let lastAddress = 0
/** Of this process alone: files of tests run side by side. */
const nextAddress = (): string => {
  lastAddress++
  return `127.${20 + (process.pid % 200)}.${1 + (lastAddress >> 8)}.${lastAddress & 255}`
}

/** Starts a machine. Ends with the process at the latest. */
export const openSshd = async ({ key = makeKeyPair(), addresses: count = 1, ...system }: SshdOptions = {}): Promise<SshdHost> => {
  const root = mkdtempSync(join(tmpdir(), 'intendant-sshd-'))
  const own = (name: string): string => join(root, '.sshd', name)
  const put = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { mode })
  }
  const addresses = Array.from({ length: count }, nextAddress)
  const [address = ''] = addresses
  const port = 20_000 + Math.floor((process.pid * 7919 + lastAddress * 31) % 12_000)

  const program = (name: string, script: string): void =>
    put(join(root, 'bin', name), `#!/bin/sh\nprintf '%s\\n' "${name} $*" >> ${own('calls')}\n${script}\n`, 0o755)
  const lines = (name: string, end: string): readonly string[] =>
    existsSync(own(name)) ? readFileSync(own(name), 'utf8').split(end).slice(0, -1) : []
  const makeHostKey = (): void => put(own('host_key'), makeKeyPair().private, 0o600)

  makeHostKey()
  put(own('authorized_keys'), `${key.public}\n`)
  put(own('run'), runScript(root), 0o755)
  put(own('config'), configOf({ addresses, port, own }))
  put(join(root, 'bin/.keep'), '')
  for (const [path, text] of Object.entries(fakeFiles(system))) put(join(root, path), text)
  for (const [name, script] of Object.entries(fakePrograms(system))) program(name, script.replaceAll('$ROOT', root))
  // Where sshd runs as root it wants this folder of the machine.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })

  const start = async (): Promise<void> => {
    execFileSync(sshd, ['-f', own('config'), '-E', own('log')])
    const isUp = await untilAccepting(port, AbortSignal.timeout(startWithinMs), address)
    if (!isUp) throw new Error(`sshd did not start: ${readFileSync(own('log'), 'utf8')}`)
  }
  const host: SshdHost = {
    addresses,
    address,
    port,
    key,
    commands: () => lines('commands', '\0'),
    calls: () => lines('calls', '\n'),
    read: (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined),
    write: (path, text) => put(join(root, path), text),
    remove: (path) => rmSync(join(root, path), { force: true }),
    program,
    onReboot: (what) => put(own('reboot'), rebootScript(root, what), 0o755),
    changeHostKey: async () => {
      host.stop()
      makeHostKey()
      await start()
    },
    stop: () => {
      execFileSync('/bin/sh', ['-c', stopScript(root)])
    },
    start,
    close: () => {
      host.stop()
      open.delete(host)
      rmSync(root, { recursive: true, force: true })
    },
  }
  host.onReboot('returns')
  await start()
  open.add(host)
  return host
}

const configOf = ({
  addresses,
  port,
  own,
}: {
  readonly addresses: readonly string[]
  readonly port: number
  readonly own: (name: string) => string
}): string =>
  [
    `Port ${port}`,
    ...addresses.map((address) => `ListenAddress ${address}`),
    `HostKey ${own('host_key')}`,
    `PidFile ${own('pid')}`,
    `AuthorizedKeysFile ${own('authorized_keys')}`,
    `ForceCommand ${own('run')}`,
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'MaxStartups 200',
    '',
  ].join('\n')

/** Runs what was sent with the machine's programs, and with its files in place of the real ones. */
const runScript = (root: string): string => `#!/bin/bash
echo $$ >> ${root}/.sshd/groups
printf '%s\\0' "$SSH_ORIGINAL_COMMAND" >> ${root}/.sshd/commands
command=$SSH_ORIGINAL_COMMAND
for folder in etc run proc usr/lib; do command=\${command//\\/$folder\\//${root}/$folder/}; done
PATH=${root}/bin:$PATH exec /bin/sh -c "$command"
`

/** Ends sshd, its sessions, which are its children, and what runs there: each command has a process group. */
const stopScript = (root: string): string => `
  cd ${root}/.sshd
  pid=$(cat pid 2>/dev/null) || exit 0
  kill -9 $(cat /proc/$pid/task/$pid/children 2>/dev/null) $pid 2>/dev/null
  for group in $(cat groups 2>/dev/null); do kill -9 -$group 2>/dev/null; done
  rm -f pid groups`

const rebootScript = (root: string, what: 'returns' | 'stays down' | 'nothing'): string => {
  if (what === 'nothing') return 'exit 0\n'
  const back = what === 'returns' ? `sleep 0.3; exec ${sshd} -f ${root}/.sshd/config -E ${root}/.sshd/log` : 'exit 0'
  const down = stopScript(root)
  return `#!/bin/sh
cat /proc/sys/kernel/random/uuid > ${root}/proc/sys/kernel/random/boot_id
setsid /bin/sh -c '${down}
${back}' < /dev/null > /dev/null 2>&1 &
`
}
