/** What a fake machine says of itself. */
export interface FakeSystem {
  /** `ID` of its os-release. Default `fedora`. */
  readonly os?: string
  /** Whether it was booted from an OSTree. Default no. */
  readonly isOstree?: boolean
  /** Default 4. */
  readonly cpus?: number
  /** In kilobytes. Default 8,009,876. */
  readonly memory?: number
  /** Lines of `df -kP` below its head. */
  readonly disks?: readonly string[]
}

const usualDisks = [
  '/dev/sda1         41152736 2000000  39152736       5% /',
  'tmpfs              4004936       0   4004936       0% /dev/shm',
  '/dev/sdb1          1000000   10000    990000       2% /data',
  'nas:/export         500000   10000    490000       3% /mnt',
]

/** Files of the machine by path. */
export const fakeFiles = ({
  os = 'fedora',
  isOstree = false,
  memory = 8_009_876,
}: FakeSystem): Readonly<Record<string, string>> => ({
  'etc/os-release': `NAME="A system"\nID="${os}"\nVERSION_ID=40\n`,
  'proc/meminfo': `MemTotal:        ${memory} kB\nMemFree:          100000 kB\n`,
  'proc/cpuinfo': 'processor\t: 0\nprocessor\t: 1\n',
  'proc/sys/kernel/random/boot_id': '11111111-1111-4111-8111-111111111111\n',
  ...(isOstree ? { 'run/ostree-booted': '' } : { 'run/.keep': '' }),
  'etc/sysconfig/.keep': '',
})

/** Programs of the machine; `$ROOT` is where its files are. */
export const fakePrograms = ({ cpus = 4, disks = usualDisks }: FakeSystem): Readonly<Record<string, string>> => ({
  nproc: `echo ${cpus}`,
  df: `cat <<'DISKS'\nFilesystem     1024-blocks    Used Available Capacity Mounted on\n${disks.join('\n')}\nDISKS`,
  dnf: 'echo "Complete!"',
  yum: 'echo "Complete!"',
  'rpm-ostree': 'echo "Run \\"systemctl reboot\\" to start a reboot"',
  'subscription-manager': 'echo "Repository enabled"',
  systemctl: '[ "$1" = reboot ] && exec /bin/sh $ROOT/.sshd/reboot\nexit 0',
  // As root, with no password asked: -n -H -u root -- /bin/sh -c COMMAND
  sudo: 'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"',
})
