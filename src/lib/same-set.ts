/** Whether two lists have the same entries, whatever their order and however often. */
export const isSameSet = <Entry>(some: readonly Entry[], others: readonly Entry[]): boolean =>
  new Set(some).symmetricDifference(new Set(others)).size === 0
