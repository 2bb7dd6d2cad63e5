import { expect, test } from 'vitest'
import { getJson, runCommand, startServer, untilState } from '../../e2e/harness.ts'

test('limits are set, listed, shown and removed', async () => {
  const { url } = await startServer()
  const run = (...words: string[]) => runCommand(['limits', ...words], { env: { INTENDANT_URL: url } })
  const made = await run('set', 'site:a/b', '--concurrency', '0', '--rate', '10/60000', '--json')
  expect(made).toMatchObject({ code: 0, stderr: '' })
  expect(JSON.parse(made.stdout)).toEqual(await getJson(`${url}/v1/limits/site%3Aa%2Fb`))
  const words = ['operations', 'submit', 'probe', '--limits', 'site:a/b', '--limits', 'free', '--json']
  const { id, limits } = JSON.parse((await runCommand(words, { env: { INTENDANT_URL: url } })).stdout)
  expect(limits).toEqual(['site:a/b', 'free'])
  expect(await untilState(url, id, 'pending')).toMatchObject({ waitingFor: { reason: 'limit' } })
  expect((await run('ls')).stdout).toMatch(/site:a\/b +0 +10\/60000 +0 +1 +0/)
  expect(JSON.parse((await run('ls', '--limit', '1', '--json')).stdout)).toMatchObject({ items: [{ waiting: 1 }], next: null })
  const shown = (await run('get', 'site:a/b')).stdout
  expect(shown).toContain('concurrency:   0\n')
  expect(shown).toContain('rate:          10/60000\n')
  expect(await run('rm', 'site:a/b')).toEqual({ code: 0, stdout: 'the limit site:a/b is removed\n', stderr: '' })
  expect((await run('get', 'site:a/b')).code).toBe(3)
  expect((await run('rm', 'site:a/b')).code).toBe(3)
})

test('what is no limit is refused before a server is asked', async () => {
  const run = (...words: string[]) =>
    runCommand(['limits', 'set', 'k', ...words], { env: { INTENDANT_URL: 'http://127.0.0.1:1' } })
  for (const words of [[], ['--rate', '10'], ['--concurrency', '-1'], ['--concurrency', 'many']])
    expect((await run(...words)).code, words.join(' ')).toBe(2)
  expect((await run('--concurrency', '1')).code).toBe(6)
  expect((await runCommand(['limits', 'set', '--help'])).stdout).toContain('intendant limits set site:example.com')
})
