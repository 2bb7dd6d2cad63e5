import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Unavailable } from '../../../src/lib/errors.ts'
import { DataDirHeld, lockDataDir } from '../../../src/stores/embedded/data-directory-lock.ts'
import { temporaryDirectory } from '../temporary.ts'

const refusal = (directory: string): DataDirHeld => {
  try {
    lockDataDir(directory, { command: 'second' }).release()
  } catch (error) {
    expect(error).toBeInstanceOf(DataDirHeld)
    return error as DataDirHeld
  }
  throw new Error('the directory was not held')
}

test('a directory belongs to one at a time, and who is refused learns to whom', () => {
  const directory = join(temporaryDirectory(), 'made', 'on', 'demand')
  const lock = lockDataDir(directory, { command: 'serve', pid: 4711 })
  const { holder, message } = refusal(directory)
  expect(holder).toEqual({ command: 'serve', pid: 4711 })
  expect(message).toContain(directory)
  expect(message).toContain('pid 4711')
  // The refused one must not have let go of what is not his.
  expect(JSON.parse(readFileSync(join(directory, 'holder.json'), 'utf8'))).toEqual({ command: 'serve', pid: 4711 })
  refusal(directory)
  lock.release()
  lock.release()
  expect(existsSync(join(directory, 'holder.json'))).toBe(false)
  lockDataDir(directory, { command: 'next' }).release()
})

test('another process is refused until the holder is gone, even by kill -9', async () => {
  const directory = temporaryDirectory()
  const holder = spawn(process.execPath, [join(import.meta.dirname, 'lock-child.ts'), directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void holder.kill('SIGKILL'))
  await once(holder.stdout, 'data')
  expect(refusal(directory).holder).toEqual({ command: 'serve', pid: holder.pid })
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  const lock = lockDataDir(directory, { command: 'heir' })
  expect(refusal(directory).holder).toEqual({ command: 'heir' })
  lock.release()
})

test('a holder file that nobody can read still refuses', () => {
  const directory = temporaryDirectory()
  const lock = lockDataDir(directory, { command: 'serve' })
  writeFileSync(join(directory, 'holder.json'), 'torn')
  expect(refusal(directory).holder).toBeUndefined()
  lock.release()
})

test('what cannot be a directory is unavailable', () => {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, '')
  expect(() => lockDataDir(file, {})).toThrow(Unavailable)
})
