/** Milliseconds that a header `Retry-After` (seconds, or a date of HTTP) asks to wait from `now` on; undefined where it is neither. */
export const retryAfterMs = (header: string | undefined, now: number): number | undefined => {
  const text = header?.trim() ?? ''
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1000
  // A date of HTTP begins with the name of a day; Date.parse would take much else.
  const at = /^[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
