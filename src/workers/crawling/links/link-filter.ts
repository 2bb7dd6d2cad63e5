import { asciiName } from '../../../events/crawling/domain-key.ts'
import { type Clock, systemClock } from '../../../lib/clock.ts'
import { compilePattern, type Pattern } from './url-patterns.ts'

/** Says of an absolute URL whether a crawl follows it. */
export interface LinkFilter {
  /** Throws `PatternsTooSlow` where the patterns have had their time. */
  keeps(url: string): boolean
  /** Another page begins, for which the patterns have all their time again. */
  begin(): void
}

/** A crawl's own lists, as they were fed. */
export interface LinkLists {
  readonly allowRegex: readonly string[] | null
  readonly denyRegex: readonly string[] | null
  readonly allowedDomains: readonly string[] | null
  /** Null for the standard list, empty for none. */
  readonly denyExtensions: readonly string[] | null
}

export class PatternsTooSlow extends Error {
  override readonly name = 'PatternsTooSlow'
}

/** What the patterns of one crawl may take: their number, their size in instructions, and the time of compiling and of matching. */
const mostPatterns = 1_000
const mostInstructions = 20_000
const compileMs = 1_000
const matchMs = 1_000

/** Extensions that are not followed unless a crawl has a list of its own; the original's list. */
const deniedExtensions =
  'mng pct bmp gif jpg jpeg png pst psp tif tiff ai drw dxf eps ps svg mp3 wma ogg wav ra aac mid au aiff 3gp asf asx avi mov mp4 mpg qt rm swf wmv m4a m4v flv xls xlsx ppt pptx pps doc docx odt ods odg odp css pdf exe bin rss zip rar'.split(
    ' ',
  )

/**
 * The filter of a crawl's own lists. Patterns that cannot be used, or that are too many or too large, give `error`: such a crawl
 * follows nothing.
 */
export const createLinkFilter = (lists: LinkLists, clock: Clock = systemClock): LinkFilter | { readonly error: string } => {
  const { allowRegex, denyRegex } = lists
  const count = (allowRegex?.length ?? 0) + (denyRegex?.length ?? 0)
  if (count > mostPatterns) return { error: `the crawl has ${count} patterns, more than ${mostPatterns}` }
  const patterns = { allow: [] as Pattern[], deny: [] as Pattern[] }
  const compileUntil = clock.monotonic() + compileMs
  let instructions = 0
  for (const [list, sources] of [
    ['allow', allowRegex ?? []],
    ['deny', denyRegex ?? []],
  ] as const) {
    for (const source of sources) {
      if (clock.monotonic() > compileUntil) return { error: `the patterns take longer than ${compileMs} ms to compile` }
      const compiled = compilePattern(source)
      if ('error' in compiled) return compiled
      instructions += compiled.instructions
      if (instructions > mostInstructions)
        return { error: `the patterns have more than ${mostInstructions} instructions together` }
      patterns[list].push(compiled)
    }
  }
  const domains = new Set((lists.allowedDomains ?? []).map(asciiHost))
  const extensions = new Set(
    (lists.denyExtensions ?? deniedExtensions).map((extension) => extension.toLowerCase().replace(/^\./, '')),
  )
  /** A host is in its own domain and in each that follows one of its dots. */
  const isIn = (host: string): boolean => {
    for (let dot = -1; ; ) {
      if (domains.has(host.slice(dot + 1))) return true
      dot = host.indexOf('.', dot + 1)
      if (dot < 0) return false
    }
  }
  let usedMs = 0
  const found = (pattern: Pattern, url: string): boolean => {
    if (usedMs > matchMs) throw new PatternsTooSlow(`the patterns took longer than ${matchMs} ms with the links of this page`)
    const begunAt = clock.monotonic()
    const isFound = pattern.found(url)
    usedMs += clock.monotonic() - begunAt
    return isFound
  }

  return {
    begin: () => {
      usedMs = 0
    },
    keeps(url) {
      const parts = /^https?:\/\/([^/?#]*)([^?#]*)/i.exec(url)
      if (!parts) return false
      const host = asciiHost((parts[1] as string).slice((parts[1] as string).lastIndexOf('@') + 1))
      if (domains.size > 0 && !isIn(host) && !isIn(host.replace(/:\d*$/, ''))) return false
      if (extensions.size > 0 && extensions.has(extensionOf(parts[2] as string))) return false
      if (patterns.allow.length > 0 && !patterns.allow.some((pattern) => found(pattern, url))) return false
      return !patterns.deny.some((pattern) => found(pattern, url))
    },
  }
}

/** A host, maybe with a port, as it is compared: lower case, a name of other letters in ASCII, no dot at the end. */
const asciiHost = (host: string): string => {
  const [name = '', port = ''] = host.toLowerCase().split(/(?=:\d*$)/)
  return asciiName(name).replace(/\.$/, '') + port
}

/** The extension of a path's last segment, lower case, without parameters; a leading dot starts none. */
const extensionOf = (path: string): string => {
  const segment = path.slice(path.lastIndexOf('/') + 1).replace(/;.*$/, '')
  const dot = segment.lastIndexOf('.')
  return dot > 0 ? segment.slice(dot + 1).toLowerCase() : ''
}
