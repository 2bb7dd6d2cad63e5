// Puts the program and its packages together into a few files, dist/<name>/; dist/newest.json says which and of what it was made.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { areUnchanged, newestBuild, sourcesOf } from './newest-build.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
/** A server that still runs from an older build loads parts of it later. */
const keptBuilds = 5

/** Clients that are loaded only where they are configured, and files that are served, stay where they are installed. */
const external = [/^(kafkajs|@eventstore\/db-client|ssh2|swagger-ui-dist)(\/|$)/]

const threadFile = /new URL\('(\.[^']+\.ts)', import\.meta\.url\)/g

/** What runs in a thread of its own has a file of its own: `new URL('./name.ts', import.meta.url)`. */
const threads = {
  name: 'threads',
  transform(code, id) {
    const apart = code.replace(threadFile, (_, path) => {
      const reference = this.emitFile({ type: 'chunk', id: join(dirname(id), path) })
      return `new URL(import.meta.ROLLUP_FILE_URL_${reference})`
    })
    return apart === code ? null : { code: apart, map: null }
  },
}

const build = async ({ rolldown }) => {
  mkdirSync(dist, { recursive: true })
  const sources = sourcesOf(root)
  const folder = mkdtempSync(join(dist, 'build-'))
  // Whoever runs the program may be another than who builds it.
  chmodSync(folder, 0o755)
  try {
    const input = { main: join(root, 'src/main.ts') }
    const bundle = await rolldown({ input, cwd: root, platform: 'node', external, plugins: [threads], logLevel: 'warn' })
    // CommonJS is linked in less time, and takes modules of Node without reading all their exports: 15 ms of a start.
    const names = { entryFileNames: '[name].cjs', chunkFileNames: '[name]-[hash].cjs' }
    await bundle.write({ dir: folder, format: 'cjs', sourcemap: true, ...names })
    await bundle.close()
    if (!areUnchanged(root, sources)) throw new Error('the sources were changed while they were built; build again')
    writeFileSync(`${folder}.json`, JSON.stringify({ name: basename(folder), sources }))
    renameSync(`${folder}.json`, join(dist, 'newest.json'))
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
}

const removeOld = () => {
  const names = readdirSync(dist).filter((name) => name.startsWith('build-'))
  const builds = names.map((name) => ({ path: join(dist, name), madeAt: statSync(join(dist, name)).birthtimeMs }))
  for (const { path } of builds.sort((a, b) => b.madeAt - a.madeAt).slice(keptBuilds)) rmSync(path, { recursive: true })
}

if (newestBuild(root) === undefined) {
  const bundler = await import('rolldown').catch(() => undefined)
  if (bundler === undefined) console.log('not built: without the development packages the program runs from its sources')
  else {
    await build(bundler)
    removeOld()
  }
}
