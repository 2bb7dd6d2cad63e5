import { enableCompileCache } from 'node:module'

// Compiled modules are kept, in the temporary directory where nobody has named another: the next start takes half the time.
enableCompileCache()

// What this program writes holds secrets, or what may be none of others' business: for its owner alone, whatever the shell's umask.
process.umask(0o077)

// A reader that goes away (`… | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

void import('./cli/program.ts').then(async ({ run }) => {
  const code = await run(process.argv.slice(2))
  // Explicitly, once what was printed is out: a socket or a timer that a library left behind must not keep a process that is done.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
})
