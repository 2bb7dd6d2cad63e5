import { lockDataDir } from '../../../src/stores/embedded/data-directory-lock.ts'

// Holds a data directory until it is killed.
lockDataDir(process.argv[2] ?? '', { command: 'serve', pid: process.pid })
process.stdout.write('held\n')
process.stdin.resume()
