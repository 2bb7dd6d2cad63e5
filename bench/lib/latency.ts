import { median, percentile } from './percentiles.ts'

/** Milliseconds. */
export interface Latency {
  readonly p50: number
  readonly p99: number
}

export const latencyOf = (latencies: Float64Array): Latency => ({
  p50: percentile(latencies, 0.5),
  p99: percentile(latencies, 0.99),
})

/** Median over the rounds of one percentile; undefined for who did not take part. */
export const medianOf = (rounds: readonly Latency[] | undefined, part: keyof Latency): number | undefined =>
  rounds && median(rounds.map((round) => round[part]))
