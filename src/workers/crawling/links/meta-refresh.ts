/** Delay and address of the `content` of a meta refresh; undefined where it names no address. Reads in linear time. */
export const refreshOf = (content: string): { readonly url: string; readonly delaySeconds: number } | undefined => {
  const text = content.trim()
  const start = /^(\d+(?:\.\d+)?|\.\d+)\s*[;,]\s*url\s*=\s*/i.exec(text)
  if (start === null) return undefined
  const rest = text.slice(start[0].length)
  const quote = rest[0]
  const isQuoted = rest.length > 1 && (quote === '"' || quote === "'") && rest.endsWith(quote)
  const url = isQuoted ? rest.slice(1, -1) : rest
  return url === '' ? undefined : { delaySeconds: Number(start[1]), url }
}
