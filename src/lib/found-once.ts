/** The same function, which looks for each key once; what it does not find it looks for again. */
export const foundOnce = <Value>(find: (key: string) => Value): ((key: string) => Value) => {
  const found = new Map<string, Value>()
  return (key) => {
    const known = found.get(key)
    if (known !== undefined) return known
    const value = find(key)
    found.set(key, value)
    return value
  }
}
