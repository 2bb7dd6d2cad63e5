/** The offered media type that `Accept` likes best, the first offered where it has no wish; undefined where none is acceptable. */
export const negotiate = <Type extends string>(header: string | undefined, offered: readonly Type[]): Type | undefined => {
  if (header === undefined || header.trim() === '') return offered[0]
  const ranges = header.split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    return { type, q: quality === undefined ? 1 : Number(quality) || 0 }
  })
  const qualityOf = (type: string): number => {
    const group = `${type.slice(0, type.indexOf('/'))}/*`
    const best = [type, group, '*/*']
      .map((wanted) => ranges.find((range) => range.type === wanted))
      .find((range) => range !== undefined)
    return best?.q ?? 0
  }
  const liked = offered.map((type) => ({ type, q: qualityOf(type) })).filter(({ q }) => q > 0)
  return liked.reduce<{ type: Type; q: number } | undefined>(
    (best, next) => (best === undefined || next.q > best.q ? next : best),
    undefined,
  )?.type
}
