/** What a figure is compared with, and what the comparison should show. */
export interface Goal {
  /** What was measured beside it in the same run; undefined where that could not run. */
  readonly floor: number | undefined
  readonly floorName: string
  /** Bound of value ÷ floor. */
  readonly ratio?: { readonly atLeast?: number; readonly atMost?: number }
  /** Bound of the value itself, in its unit. */
  readonly value?: { readonly atLeast?: number; readonly atMost?: number }
}

/** One line of standard output. */
export interface Figure {
  readonly scenario: string
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly floor: number | null
  readonly floorName: string | null
  readonly ratio: number | null
  readonly goal: string | null
  /** Null where there is no goal, or nothing to compare with. */
  readonly held: boolean | null
}

export interface Measured {
  readonly scenario: string
  readonly metric: string
  readonly value: number
  readonly unit: string
}

/** A figure judged by its goal; without one it is merely reported. */
export const figure = (measured: Measured, goal?: Goal): Figure => {
  if (goal === undefined) return { ...rounded(measured), floor: null, floorName: null, ratio: null, goal: null, held: null }
  const { floor, floorName } = goal
  const ratio = floor === undefined || floor === 0 ? null : measured.value / floor
  return {
    ...rounded(measured),
    floor: floor === undefined ? null : significant(floor),
    floorName,
    ratio: ratio === null ? null : significant(ratio),
    goal: words(goal),
    held: held(measured.value, ratio, goal),
  }
}

const held = (value: number, ratio: number | null, goal: Goal): boolean | null => {
  if (goal.value !== undefined && !within(value, goal.value)) return false
  if (goal.ratio === undefined) return goal.value === undefined ? null : true
  return ratio === null ? null : within(ratio, goal.ratio)
}

const within = (
  number: number,
  { atLeast = -Infinity, atMost = Infinity }: { readonly atLeast?: number; readonly atMost?: number },
) => number >= atLeast && number <= atMost

const words = ({ ratio, value }: Goal): string | null => {
  const bounds = [
    ...(ratio?.atLeast === undefined ? [] : [`≥ ${ratio.atLeast} ×`]),
    ...(ratio?.atMost === undefined ? [] : [`≤ ${ratio.atMost} ×`]),
    ...(value?.atLeast === undefined ? [] : [`≥ ${value.atLeast}`]),
    ...(value?.atMost === undefined ? [] : [`≤ ${value.atMost}`]),
  ]
  return bounds.length === 0 ? null : bounds.join(', ')
}

const rounded = (measured: Measured): Measured => ({ ...measured, value: significant(measured.value) })

/** Four digits are more than the machine can tell apart. */
const significant = (number: number): number => (Number.isFinite(number) ? Number(number.toPrecision(4)) : number)
