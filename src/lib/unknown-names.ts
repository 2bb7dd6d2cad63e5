/** Variables that other programs set: services of Kubernetes as its links name them, and the start scripts of Kafka. */
const foreign =
  /_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$|^KAFKA_(HOME|OPTS|VERSION|DEBUG|(HEAP|LOG4J|JMX|GC_LOG|JVM_PERFORMANCE)_OPTS)$/
const nearest = 2
/** Shorter names are near to too many others. */
const leastLength = 8

/**
 * Names that look like settings and are none, one sentence each: they begin with one of `prefixes`, or are two letters away from a setting at
 * most.
 */
export const unknownNames = (
  given: Iterable<string>,
  { known, prefixes }: { readonly known: readonly string[]; readonly prefixes: readonly string[] },
): readonly string[] =>
  [...given]
    .filter((name) => !known.includes(name) && !foreign.test(name))
    .flatMap((name) => {
      const [near] = known
        .filter(({ length }) => length >= leastLength && Math.abs(length - name.length) <= nearest)
        .map((candidate) => ({ candidate, distance: distance(name, candidate) }))
        .filter(({ distance }) => distance <= nearest)
        .sort((one, other) => one.distance - other.distance)
      if (near !== undefined) return [`${name} is not a setting and has no effect; did you mean ${near.candidate}?`]
      return prefixes.some((prefix) => name.startsWith(prefix)) ? [`${name} is not a setting and has no effect`] : []
    })

/** The edit distance: letters to insert, delete or change to turn one name into the other. */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const changed = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}
