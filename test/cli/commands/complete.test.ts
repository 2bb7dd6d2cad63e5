import { execFile } from 'node:child_process'
import { mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { runCommand } from '../../e2e/harness.ts'

test('commands and options are completed', async () => {
  const offered = async (...words: string[]) => {
    const { stdout } = await runCommand(['complete', '--', ...words])
    return stdout.split('\n').map((line) => line.split('\t')[0])
  }
  expect(await offered('op')).toContain('operations')
  expect(await offered('operations', '')).toEqual(expect.arrayContaining(['ls', 'get', 'submit', 'tail', 'cancel', 'retry']))
  expect(await offered('operations', 'ls', '--st')).toContain('--state')
})

test('another shell is named as wrong', async () => {
  expect(await runCommand(['complete', 'tcsh'])).toMatchObject({ code: 2, stderr: expect.stringContaining("'tcsh'") })
})

test('bash completes with the script', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'intendant-complete-'))
  symlinkSync(resolve('bin/intendant.js'), join(folder, 'intendant'))
  // What bash-completion brings: the words of the line.
  const words = `words=("\${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=\${words[cword]}; prev=\${words[cword-1]}`
  const script = `compopt() { :; }; _get_comp_words_by_ref() { ${words}; }
    source <(intendant complete bash)
    COMP_WORDS=(intendant projections re); COMP_CWORD=2; __intendant_complete; echo "\${COMPREPLY[@]}"`
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], {
    env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
  })
  expect([stdout, stderr]).toEqual(['rebuild\n', ''])
})
