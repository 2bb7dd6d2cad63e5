import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sha256 } from '../../../src/lib/ids.ts'
import { runCommand, temporaryDirectory } from '../../e2e/harness.ts'
import { useApp } from '../../http/app.ts'

const server = useApp({ MAX_BLOB_BYTES: '4000000' })
const run = (words: readonly string[], input = '') =>
  runCommand(['blobs', ...words], { env: { INTENDANT_URL: server.it.url, NO_COLOR: '1' }, input })

test('a file goes to the server and back, byte for byte', async () => {
  const directory = temporaryDirectory()
  const [file, copy] = [join(directory, 'file'), join(directory, 'copy')]
  const content = randomBytes(3_000_000)
  writeFileSync(file, content)
  const id = `sha256-${sha256(content)}`
  expect(await run(['put', file, '--type', 'application/x-test'])).toEqual({ code: 0, stdout: `${id}\n`, stderr: '' })
  expect((await run(['ls'])).stdout).toMatch(new RegExp(`^${id} +3000000 +application/x-test +2`, 'm'))
  expect(await run(['get', id, '--output', copy])).toEqual({ code: 0, stdout: '', stderr: '' })
  expect(readFileSync(copy).equals(content)).toBe(true)
})

test('stdin is uploaded, and stdout is what was uploaded', async () => {
  const put = await run(['put', '-', '--json'], 'from stdin\n')
  const blob = JSON.parse(put.stdout)
  expect(blob).toMatchObject({ size: 11, contentType: 'application/octet-stream' })
  expect(await run(['get', blob.id])).toEqual({ code: 0, stdout: 'from stdin\n', stderr: '' })
  expect(JSON.parse((await run(['ls', '--unused', '--limit', '1', '--json'])).stdout).items).toEqual([blob])
  expect((await run(['rm', blob.id])).stdout).toBe(`${blob.id} is deleted\n`)
  expect(await run(['rm', blob.id])).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no blob') })
})

test('what fails is said, and leaves no file', async () => {
  const directory = temporaryDirectory()
  const [large, copy] = [join(directory, 'large'), join(directory, 'copy')]
  writeFileSync(large, '')
  truncateSync(large, 5_000_000)
  expect(await run(['put', large])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('413: the body is over 4000000 bytes'),
  })
  expect(await run(['put', join(directory, 'absent')])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no file'),
  })
  expect(await run(['put', directory])).toMatchObject({ code: 2, stderr: expect.stringContaining('is a directory') })
  expect(await run(['get', `sha256-${'0'.repeat(64)}`, '--output', copy])).toMatchObject({ code: 3 })
  expect(existsSync(copy) || existsSync(`${copy}.part`)).toBe(false)
})
