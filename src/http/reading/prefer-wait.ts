const longestWaitS = 60

/** Seconds of `Prefer: wait=N` (RFC 7240), at most 60; undefined where it is not preferred or malformed. */
export const preferredWait = (header: string | undefined): number | undefined => {
  for (const preference of header?.split(',') ?? []) {
    const [name, value] =
      preference
        .split(';', 1)[0]
        ?.split('=')
        .map((part) => part.trim()) ?? []
    if (name?.toLowerCase() !== 'wait') continue
    const digits = /^"?(\d{1,9})"?$/.exec(value ?? '')?.[1]
    return digits === undefined ? undefined : Math.min(Number(digits), longestWaitS)
  }
  return undefined
}
