import type { Figure } from './figure.ts'

/** The figures for people: one line each, aligned. */
export const printTable = (figures: readonly Figure[], say: (line: string) => void): void => {
  const rows = [
    ['', 'figure', 'value', '', 'beside', '', 'ratio', 'goal', 'held'],
    ...figures.map(({ scenario, metric, value, unit, floor, floorName, ratio, goal, held }) => [
      scenario,
      metric,
      readable(value),
      unit,
      floor === null ? '' : readable(floor),
      floorName ?? '',
      ratio === null ? '' : ratio.toFixed(2),
      goal ?? '',
      held === null ? '' : held ? 'yes' : 'no',
    ]),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const numbers = new Set([2, 4, 6])
  for (const row of rows)
    say(
      row
        .map((cell, column) => (numbers.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
}

const readable = (number: number): string =>
  number >= 100 ? Math.round(number).toLocaleString('en-US') : number.toLocaleString('en-US', { maximumSignificantDigits: 3 })
