/** The value below which a fraction of the samples lies (nearest rank); NaN for no samples. */
export const percentile = (samples: ArrayLike<number>, fraction: number): number => {
  const sorted = Float64Array.from(samples).sort()
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))] ?? Number.NaN
}

export const median = (samples: ArrayLike<number>): number => percentile(samples, 0.5)
