/**
 * Measures every contender once per round, one after the other, each round beginning with another one: what drifts on the machine
 * hits all alike. Resolves with each one's samples in the order of the rounds.
 */
export const interleaved = async <Name extends string, Sample>(
  rounds: number,
  contenders: Readonly<Record<Name, () => Promise<Sample>>>,
): Promise<Record<Name, readonly Sample[]>> => {
  const names = Object.keys(contenders) as Name[]
  const samples = Object.fromEntries(names.map((name): [Name, Sample[]] => [name, []])) as Record<Name, Sample[]>
  for (let round = 0; round < rounds; round++)
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length] as Name
      samples[name].push(await contenders[name]())
    }
  return samples
}

/** The entries that are there: contenders that cannot run here are left out. */
export const present = <Value>(entries: Readonly<Record<string, Value | undefined>>): Record<string, Value> =>
  Object.fromEntries(Object.entries(entries).filter((entry): entry is [string, Value] => entry[1] !== undefined))
