import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Folder of the build that is to run; undefined where none was made of the sources as they are. Where there are no sources, it is all there is. */
export const newestBuild = (root) => {
  const note = join(root, 'dist/newest.json')
  if (!existsSync(note)) return undefined
  const { name, sources } = JSON.parse(readFileSync(note, 'utf8'))
  return !existsSync(join(root, 'src')) || areUnchanged(root, sources) ? join(root, 'dist', name) : undefined
}

/** What a build is made of: files and folders with the moment of their last change. A folder's tells what came and went. */
export const sourcesOf = (root) => {
  const below = (folder) =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`
      return entry.isDirectory() ? [path, ...below(path)] : [path]
    })
  const paths = ['package.json', 'package-lock.json', 'bin/build.js', 'src', ...below('src')]
  return paths.map((path) => ({ path, ...stampOf(join(root, path)) }))
}

/** Reads no file and no folder: 2 ms at a start, where the content would take 15. */
export const areUnchanged = (root, sources) =>
  sources.every(({ path, changedAt, bytes }) => {
    const now = stampOf(join(root, path))
    return now.changedAt === changedAt && now.bytes === bytes
  })

const stampOf = (path) => {
  const stat = statSync(path, { throwIfNoEntry: false })
  return { changedAt: stat?.mtimeMs, bytes: stat?.isFile() ? stat.size : undefined }
}
