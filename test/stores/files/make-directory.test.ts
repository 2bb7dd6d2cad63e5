import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectory } from '../../../src/stores/files/make-directory.ts'
import { temporaryDirectory } from '../../e2e/harness.ts'

test('every missing level is made, for the owner alone', () => {
  const root = temporaryDirectory()
  expect(makeDirectory(join(root, 'a/b/c'))).toBe(true)
  for (const made of ['a', 'a/b', 'a/b/c']) expect(statSync(join(root, made)).mode & 0o777).toBe(0o700)
  expect(makeDirectory(join(root, 'a/b/c'))).toBe(false)
})

test.skipIf(!existsSync('/proc/self'))('a file system without new directories is refused with the path', () => {
  expect(() => makeDirectory('/proc/intendant/data')).toThrow('the directory /proc/intendant cannot be made')
})

test('a file in the way is named', () => {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, '')
  expect(() => makeDirectory(file)).toThrow(`${file} is not a directory`)
  expect(() => makeDirectory(join(file, 'below'))).toThrow(`the directory ${file}/below cannot be made: ENOTDIR`)
})
