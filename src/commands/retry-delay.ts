import type { Backoff } from '../events/operation.ts'

export const retryDelayMs = ({ initialMs, factor, maxMs }: Backoff, spent: number): number =>
  initialMs === 0 ? 0 : Math.min(initialMs * factor ** (spent - 1), maxMs)
