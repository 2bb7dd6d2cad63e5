/** How many bytes the longest beginning of UTF-8 text has that holds at most `most` bytes and ends between two characters. */
export const wholeCharacters = (content: Uint8Array, most: number): number => {
  if (most >= content.length) return content.length
  let bytes = most
  while (bytes > 0 && isInside(content, bytes)) bytes--
  return bytes
}

/** The first place from `at` on where a character of UTF-8 text begins, or the text ends. */
export const nextCharacter = (content: Uint8Array, at: number): number => {
  let place = at
  while (place < content.length && isInside(content, place)) place++
  return place
}

/** The byte continues the character before it. */
const isInside = (content: Uint8Array, at: number): boolean => ((content[at] ?? 0) & 0xc0) === 0x80
