/** Finds many texts in one that comes in pieces (Aho and Corasick, 1975): each character is looked at once. */
export interface TextSearch {
  /** Takes the next character; the length of the longest text that ends with it, counted from its first character, or 0. */
  take(code: number): number
  /** Takes as many characters, none of which begins a text; only while nothing is open. */
  skip(count: number): void
  /** How many of the last characters may be the beginning of a text that has not come whole. */
  open(): number
}

/** What searches in different places share: it is not changed by them. */
export interface SearchTable {
  /** Marks by their codes the characters that begin a text. */
  markBeginnings(codes: Uint8Array): void
  search(): TextSearch
}

const lineFeed = 10
const carriageReturn = 13
/** From this many children on, a node uses a map instead of a list. */
const widest = 32

/** With `overLines` the line breaks between the characters of a text do not keep it from being found. */
export const searchTable = (texts: readonly string[], { overLines = false } = {}): SearchTable => {
  const most = texts.reduce((sum, { length }) => sum + length, 1)
  const longest = texts.reduce((least, { length }) => Math.max(least, length), 1)
  /** By number of node; 0 is the root, and the first child of a node is always made after it. */
  const column = (): Int32Array => new Int32Array(most)
  const [code, firstChild, sibling, fallback, depth] = [column(), column(), column(), column(), column()]
  /** The longest text that ends there, and the longest unfinished one. */
  const [found, unfinished] = [column(), column()]
  /** Most characters of a text begin nothing. */
  const begins = new Map<number, number>()
  /** The children of nodes that have many: texts may differ in one character alone, and there are 65,536. */
  const wide = new Map<number, Map<number, number>>([[0, begins]])
  const width = new Uint8Array(most)
  width[0] = widest
  let nodes = 1

  const child = (node: number, next: number): number => {
    if (node === 0) return begins.get(next) ?? 0
    if (width[node] === widest) return wide.get(node)?.get(next) ?? 0
    let at = firstChild[node] as number
    while (at !== 0 && code[at] !== next) at = sibling[at] as number
    return at
  }

  /** Notes one more child of a node. */
  const widen = (node: number, made: number): void => {
    if (width[node] === widest) return void wide.get(node)?.set(code[made] as number, made)
    width[node] = (width[node] as number) + 1
    if (width[node] < widest) return
    const children = new Map<number, number>()
    for (let at = made; at !== 0; at = sibling[at] as number) children.set(code[at] as number, at)
    wide.set(node, children)
  }

  const grow = (node: number, next: number): number => {
    const made = nodes++
    code[made] = next
    depth[made] = (depth[node] as number) + 1
    if (node !== 0) {
      sibling[made] = firstChild[node] as number
      firstChild[node] = made
    }
    widen(node, made)
    return made
  }

  const step = (node: number, next: number): number => {
    for (let at = node; ; at = fallback[at] as number) {
      const to = child(at, next)
      if (to !== 0 || at === 0) return to
    }
  }

  for (const text of texts) {
    let node = 0
    for (let at = 0; at < text.length; at++) {
      const next = text.charCodeAt(at)
      node = child(node, next) || grow(node, next)
    }
    found[node] = text.length
  }
  const order = [...begins.values()]
  for (let at = 0; at < order.length; at++) {
    const node = order[at] as number
    unfinished[node] = firstChild[node] === 0 ? (unfinished[fallback[node] as number] as number) : (depth[node] as number)
    for (let below = firstChild[node] as number; below !== 0; below = sibling[below] as number) {
      const behind = step(fallback[node] as number, code[below] as number)
      fallback[below] = behind
      found[below] ||= found[behind] as number
      order.push(below)
    }
  }

  return {
    markBeginnings: (codes) => {
      for (const code of begins.keys()) codes[code] = 1
    },
    search: () => {
      /** Where the last characters stood that count, by their number modulo `longest`. */
      const places = overLines ? new Float64Array(longest) : undefined
      let counted = 0
      let seen = 0
      let node = 0
      const reach = (length: number): number => {
        if (length === 0 || places === undefined) return length
        return seen - (places[(counted - length) % longest] as number)
      }
      return {
        take: (next) => {
          seen += 1
          if (places !== undefined) {
            if (next === lineFeed || next === carriageReturn) return 0
            places[counted % longest] = seen - 1
            counted += 1
          }
          node = step(node, next)
          return reach(found[node] as number)
        },
        skip: (count) => {
          seen += count
        },
        open: () => reach(unfinished[node] as number),
      }
    },
  }
}
