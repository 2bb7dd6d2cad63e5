import { styleText } from 'node:util'
import type { JsonObject, JsonValue } from '../lib/json.ts'

/** True where a person looks on: only then colours and progress bars. */
export const isTerminal = (): boolean => process.stdout.isTTY === true

export const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

/** One JSON value on one line. */
export const printJson = (value: unknown): void => print(JSON.stringify(value))

export const complain = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** `styleText` honours NO_COLOR. */
export const coloured = (style: Parameters<typeof styleText>[0], text: string): string =>
  isTerminal() ? styleText(style, text, { stream: process.stdout }) : text

const stateStyles: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  succeeded: 'green',
  live: 'green',
  failed: 'red',
  faulted: 'red',
  'timed-out': 'red',
  cancelled: 'yellow',
  cancelling: 'yellow',
  retrying: 'yellow',
  running: 'cyan',
}

/** Rows as aligned columns under a heading; a column named `state` is coloured. */
export const printTable = (columns: readonly string[], rows: readonly JsonObject[]): void => {
  const cells = rows.map((row) => columns.map((column) => cell(row[column])))
  const widths = columns.map((column, index) => Math.max(column.length, ...cells.map((row) => row[index]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((text, index) => (index === row.length - 1 ? text : text.padEnd(widths[index] ?? 0))).join('  ')
  print(coloured('bold', line(columns.map((column) => column.toUpperCase()))))
  for (const row of cells) {
    const styled = row.map((text, index) => {
      const style = columns[index] === 'state' ? stateStyles[text] : undefined
      if (style === undefined) return text
      return coloured(style, text) + ' '.repeat(index === row.length - 1 ? 0 : (widths[index] ?? 0) - text.length)
    })
    print(line(styled))
  }
}

/** Control characters of foreign texts must not steer the terminal. */
export const harmless = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (mark) => (mark === '\n' || mark === '\t' ? mark : '\uFFFD'))

/** The members of a resource, one a line. */
export const printResource = (resource: JsonObject, { json }: { readonly json?: boolean }): void => {
  if (json) printJson(resource)
  for (const [name, value] of json ? [] : Object.entries(resource))
    if (value !== null && value !== undefined)
      print(`${`${name}:`.padEnd(15)}${harmless(typeof value === 'object' ? JSON.stringify(value) : String(value))}`)
}

const cell = (value: JsonValue | undefined): string => {
  if (value === null || value === undefined) return '-'
  return harmless(typeof value === 'object' ? JSON.stringify(value) : String(value)).replace(/\s+/g, ' ')
}
