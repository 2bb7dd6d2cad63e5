#!/usr/bin/env node
// Runs the program with the Node.js that the project brings along; an older one only starts that.
import module from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { newestBuild } from './newest-build.js'

const root = fileURLToPath(new URL('..', import.meta.url))

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // Sources that no build was made of run as they are, with their types stripped: 350 ms of processor until ready instead of 200.
  const build = newestBuild(root)
  if (build !== undefined) module.enableCompileCache(join(build, 'compiled'))
  await import(pathToFileURL(build === undefined ? join(root, 'src/main.ts') : join(build, 'main.cjs')).href)
} else {
  const { spawn } = await import('node:child_process')
  const { existsSync } = await import('node:fs')
  const bundled = join(root, 'node_modules/node/bin/node')
  const words = [fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  const child = spawn(existsSync(bundled) ? bundled : 'node', words, { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)))
}
