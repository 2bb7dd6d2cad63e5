import type { Counter, Histogram, Registry } from 'prom-client'

/** Counts one answer of a route. */
export type Meter = (method: string, status: number, seconds: number) => void

/** What is counted of one route and method. */
interface Series {
  readonly face: string
  readonly method: string
  readonly route: string
  /** How many took at most as long as the bound of the same index; the last one counts the others. */
  readonly buckets: number[]
  seconds: number
  readonly statuses: Map<number, number>
}

interface Value {
  readonly metricName?: string
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60]
const durations = 'intendant_http_request_duration_seconds'
const answers = 'intendant_http_requests_total'

/**
 * How many requests were answered, how, and how fast, as a histogram and a counter of `registry`. They are put together when somebody
 * reads them: prom-client's own make a text of their labels for every request (0.7 µs there, 0.02 here).
 */
export const createAnswerCounts = (registry: Registry): ((face: string, route: string) => Meter) => {
  const all: Series[] = []
  const show = (name: string, help: string, type: string, values: () => Value[]): void => {
    const metric = {
      name,
      help,
      type,
      aggregator: 'sum',
      get: async () => ({ name, help, type, values: values(), aggregator: 'sum' }),
    }
    registry.registerMetric(metric as unknown as Histogram | Counter)
  }
  show(durations, 'Time from the request to the head of its answer', 'histogram', () => all.flatMap(durationsOf))
  show(answers, 'Answered requests', 'counter', () => answersOf(all))
  return (face, route) => {
    const byMethod = new Map<string, Series>()
    const seriesOf = (method: string): Series => {
      const known = byMethod.get(method)
      if (known !== undefined) return known
      const series: Series = { face, method, route, buckets: [...bounds, 0].fill(0), seconds: 0, statuses: new Map() }
      byMethod.set(method, series)
      all.push(series)
      return series
    }
    return (method, status, seconds) => {
      const series = seriesOf(knownMethods.has(method) ? method : 'other')
      let bucket = 0
      while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++
      series.buckets[bucket] = (series.buckets[bucket] as number) + 1
      series.seconds += seconds
      series.statuses.set(status, (series.statuses.get(status) ?? 0) + 1)
    }
  }
}

const durationsOf = ({ face, method, route, buckets, seconds }: Series): Value[] => {
  const labels = { face, method, route }
  let count = 0
  const cumulative = buckets.map((more, index): Value => {
    count += more
    return { metricName: `${durations}_bucket`, labels: { le: bounds[index] ?? '+Inf', ...labels }, value: count }
  })
  return [
    ...cumulative,
    { metricName: `${durations}_sum`, labels, value: seconds },
    { metricName: `${durations}_count`, labels, value: count },
  ]
}

const answersOf = (all: readonly Series[]): Value[] => {
  const found = new Map<string, Value>()
  for (const { face, method, statuses } of all)
    for (const [status, count] of statuses) {
      const key = JSON.stringify([face, method, status])
      found.set(key, { labels: { face, method, status }, value: (found.get(key)?.value ?? 0) + count })
    }
  return [...found.values()]
}
