#!/usr/bin/env node
// Runs the program with the Node.js that the project brings along; an older one only starts that.
import module from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { newestBuild } from './newest-build.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const neededVersion = 24
/** Set for the process that an older Node.js starts: it never starts another one. */
const restarted = 'INTENDANT_RESTARTED'

const refuse = (why) => {
  console.error(
    `intendant: needs Node.js ${neededVersion} or newer but this is ${process.versions.node}; ${why}. ` +
      'Run "npm ci --ignore-scripts=false" in the project, which installs it, or install Node.js yourself.',
  )
  process.exit(1)
}

if (Number(process.versions.node.split('.')[0]) >= neededVersion) {
  delete process.env[restarted]
  // Sources that no build was made of run as they are, with their types stripped: 350 ms of processor until ready instead of 200.
  const build = newestBuild(root)
  if (build !== undefined) module.enableCompileCache(join(build, 'compiled'))
  await import(pathToFileURL(build === undefined ? join(root, 'src/main.ts') : join(build, 'main.cjs')).href)
} else {
  const { spawn } = await import('node:child_process')
  const { existsSync } = await import('node:fs')
  const { constants } = await import('node:os')
  const bundled = join(root, 'node_modules/node/bin/node')
  if (process.env[restarted] !== undefined)
    refuse(`${process.execPath}, which was installed with the project, is too old as well`)
  if (!existsSync(bundled)) refuse(`the project's own Node.js is missing (${bundled})`)
  const words = [fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  const child = spawn(bundled, words, { stdio: 'inherit', env: { ...process.env, [restarted]: 'true' } })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => refuse(`the project's own Node.js does not start (${error.message})`))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}
