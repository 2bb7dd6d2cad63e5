// Puts the program and its packages together into a few files, dist/<name>/; dist/newest.json says which and of what it was made.
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { areUnchanged, newestBuild, sourcesOf } from './newest-build.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
/** A server that still runs from an older build loads parts of it later. */
const keptBuilds = 5

/** Clients that are loaded only where they are configured, and files that are served, stay where they are installed. */
const external = [/^(kafkajs|@eventstore\/db-client|swagger-ui-dist)(\/|$)/]

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

const builtinImport = /^import (\{.+\}|\* as [\w$]+|[\w$]+) from "([\w:/]+)";$/gm

/** Modules of Node are taken as they are: an `import` reads all their exports, also those that load something (8 ms of a start). */
const builtins = {
  name: 'builtins',
  renderChunk(code) {
    const taken = code.replace(builtinImport, (line, names, id) => {
      if (!isBuiltin(id)) return line
      const binding = names.replace(/^\* as /, '').replaceAll(' as ', ': ')
      return `const ${binding} = process.getBuiltinModule("${id}");`
    })
    return { code: taken, map: null }
  },
}

const build = async ({ rolldown }) => {
  mkdirSync(dist, { recursive: true })
  const sources = sourcesOf(root)
  const folder = mkdtempSync(join(dist, 'build-'))
  try {
    const input = { main: join(root, 'src/main.ts') }
    const bundle = await rolldown({
      input,
      cwd: root,
      platform: 'node',
      external,
      plugins: [threads, builtins],
      logLevel: 'warn',
    })
    await bundle.write({ dir: folder, format: 'esm', sourcemap: true })
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
