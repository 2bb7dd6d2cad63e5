import { closeSync, openSync, readSync } from 'node:fs'

const chunkBytes = 4 * 1024 * 1024
/** So many bytes of the beginning and of the end of a text tell it from all others. */
const telltaleBytes = 48

/**
 * Whether a file holds the beginning or the end of any of the texts more than once. SQLite overwrites what it deletes (`secure_delete`), but a
 * row that was moved to another page, because rows beside it were deleted, may have left a copy in the unused part of the old page.
 */
export const holdsTwice = (path: string, texts: readonly string[]): boolean => {
  const telltales = texts
    .map((text) => Buffer.from(text))
    .flatMap((bytes) => [bytes.subarray(0, telltaleBytes), bytes.subarray(-telltaleBytes)])
  const found = telltales.map(() => 0)
  const buffer = Buffer.alloc(chunkBytes)
  const file = openSync(path, 'r')
  try {
    // What was read last stands before the next chunk: a text may lie across the border.
    for (let kept = 0; ; ) {
      const read = readSync(file, buffer, kept, chunkBytes - kept, null)
      if (read === 0) return false
      const filled = buffer.subarray(0, kept + read)
      for (const [n, telltale] of telltales.entries())
        for (let at = filled.indexOf(telltale); at >= 0; at = filled.indexOf(telltale, at + 1)) {
          found[n] = (found[n] ?? 0) + 1
          if ((found[n] ?? 0) > 1) return true
        }
      kept = Math.min(filled.length, telltaleBytes - 1)
      buffer.copyWithin(0, filled.length - kept, filled.length)
    }
  } finally {
    closeSync(file)
  }
}
