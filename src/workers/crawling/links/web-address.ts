/** Whether an absolute address is that of a web page. */
export const isWebAddress = (url: string): boolean => /^https?:/i.test(url)

/** An address as requests and items write it: escaped, scheme and host in lower case, a name of other letters in ASCII. */
export const writtenAddress = (url: string): string => URL.parse(url)?.href ?? url

export const withoutFragment = (url: string): string => {
  const hash = url.indexOf('#')
  return hash < 0 ? url : url.slice(0, hash)
}

/** Longest address of a link in characters; the original's own limit. */
export const longestUrl = 2083
