/** Calls `send` so often a second, whatever it takes; answers the milliseconds from each intended call to its end. */
export const openLoop = async (
  { perSecond, count }: { readonly perSecond: number; readonly count: number },
  send: (index: number) => Promise<unknown>,
): Promise<Float64Array> => {
  const latencies = new Float64Array(count)
  const begin = performance.now()
  const sent: Promise<void>[] = []
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      for (; sent.length < count && begin + (sent.length * 1000) / perSecond <= performance.now(); ) {
        const index = sent.length
        const since = begin + (index * 1000) / perSecond
        const ended = (): void => {
          latencies[index] = performance.now() - since
        }
        sent.push(send(index).then(ended))
      }
      if (sent.length < count) setImmediate(tick)
      else resolve()
    }
    tick()
  })
  await Promise.all(sent)
  return latencies
}
