/**
 * The results of `work` on each item, in the order of the items; `most` at a time, begun in order. After a failure no other item is begun,
 * and the promise rejects with the first failure once those that were begun have ended.
 */
export const inParallel = async <Item, Result>(
  items: readonly Item[],
  most: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = []
  const failures: unknown[] = []
  let next = 0
  const line = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const at = next++
      try {
        results[at] = await work(items[at] as Item)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, line))
  if (failures.length > 0) throw failures[0]
  return results
}
