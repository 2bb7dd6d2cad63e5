import type { Figure } from './figure.ts'
import type { LoadGenerator } from './load.ts'

/** What a scenario is handed. */
export interface Bench {
  readonly rounds: number
  /** About a minute for everything: fewer requests and rounds, the same code. */
  readonly quick: boolean
  readonly load: LoadGenerator
  /** A new directory on the disk, removed at the end of the scenario. */
  scratch(name: string): string
  /** One that the scenarios of a run share. */
  readonly shared: string
  /** The full size, or a part of it where it has to be quick. */
  size(full: number, quick: number): number
  /** A line for people, on standard error. */
  say(line: string): void
}

/** One row of the table. */
export interface Scenario {
  readonly id: string
  readonly title: string
  run(bench: Bench): AsyncIterable<Figure>
}
