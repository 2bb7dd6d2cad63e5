import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/** A command of a document and what stands below it. */
export interface Example {
  readonly command: string
  readonly shown: string
}

/** The commands (`$ …`) in the code blocks of a document, in order. */
export const examplesOf = (file: string): readonly Example[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].flatMap(([, language, block = '']) =>
    (language === '' ? block : '')
      .split(/^\$ /m)
      .slice(1)
      .map((example) => {
        const end = example.indexOf('\n')
        return { command: example.slice(0, end), shown: example.slice(end + 1) }
      }),
  )

/** What a command prints in a shell with these variables; `npx intendant` is this program. */
export const printed = async (command: string, variables: Readonly<Record<string, string>>): Promise<string> =>
  (
    await run('bash', ['-c', command.replaceAll('npx intendant', `${process.execPath} bin/intendant.js`)], {
      cwd: root,
      env: { PATH: process.env.PATH, NO_COLOR: '1', ...variables },
    })
  ).stdout

/** What a document shows as an expression: `…` stands for anything, and a time for any time. White space at the end does not count. */
export const expressionOf = (shown: string): RegExp =>
  new RegExp(
    `^${shown
      .trimEnd()
      .replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
      .replaceAll('…', '[^]*')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\\\.\d{3}Z/g, '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z')}\\s*$`,
  )
