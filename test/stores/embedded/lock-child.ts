import { lockDataDir } from '../../../src/stores/embedded/data-directory-lock.ts'

// Holds a data directory until it is killed. A lock that nothing refers to would be given back when garbage is collected.
const lock = lockDataDir(process.argv[2] ?? '', { command: 'serve', pid: process.pid })
process.on('exit', lock.release)
process.stdout.write('held\n')
process.stdin.resume()
