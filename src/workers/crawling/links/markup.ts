import { Tokenizer, type TokenizerCallbacks } from 'htmlparser2'
import { refreshOf } from './meta-refresh.ts'

/** An element that links: its address as it is written, and the text between its tags. */
export interface Anchor {
  readonly href: string
  text: string
}

/** What matters of a page: each address once, with the text of its first element. */
export interface Markup {
  readonly anchors: readonly Anchor[]
  readonly base: string | undefined
  readonly refresh: { readonly url: string; readonly delaySeconds: number } | undefined
}

/** Deepest nesting of elements; deeper ones become siblings, as in browsers. */
const deepest = 512

const voidElements = new Set(
  'area base basefont br col command embed frame hr img input isindex keygen link meta param source track wbr'.split(' '),
)
/** Within these of SVG and MathML the rules of HTML hold again. */
const integrationPoints = new Set('mi mo mn ms mtext annotation-xml foreignobject desc title'.split(' '))
const watchedAttributes = { a: ['href'], area: ['href'], base: ['href'], meta: ['http-equiv', 'content'] } as const
const watched = new Map<string, readonly string[]>(Object.entries(watchedAttributes))

/** Reads markup in time linear in its length, whatever is nested in it. */
export const readMarkup = (text: string): Markup => {
  const anchors = new Map<string, Anchor>()
  let base: string | undefined
  let refresh: Markup['refresh']
  /** The element whose attributes are coming in, where they matter. */
  let element: string | undefined
  let attributes: Record<string, string> = {}
  /** The attribute that is coming in, where it matters. */
  let attribute: string | undefined
  let value = ''
  let isPushed = false
  /** The `a` element whose text is being read. */
  let open: Anchor | null = null
  const stack: { readonly name: string; readonly isForeign: boolean }[] = []
  /** How many elements of a name are open: an end tag without its element is not looked for. */
  const opened = new Map<string, number>()

  const isInForeignContext = (): boolean => stack.at(-1)?.isForeign ?? false
  const isOpen = (name: string): boolean => (opened.get(name) ?? 0) > 0

  const push = (name: string): boolean => {
    if (voidElements.has(name) || stack.length >= deepest) return false
    const isForeign = name === 'svg' || name === 'math' || (!integrationPoints.has(name) && isInForeignContext())
    stack.push({ name, isForeign })
    opened.set(name, (opened.get(name) ?? 0) + 1)
    return true
  }

  const pop = (): string | undefined => {
    const name = stack.pop()?.name
    if (name === undefined) return undefined
    opened.set(name, (opened.get(name) ?? 1) - 1)
    if (name === 'a') open = null
    return name
  }

  /** An address whose text is known is not read again. */
  const anchorOf = (href: string): Anchor | null => {
    if (anchors.has(href)) return null
    const anchor = { href, text: '' }
    anchors.set(href, anchor)
    return anchor
  }

  const finishTag = (): void => {
    const { href, content = '' } = attributes
    if (element === 'a' || element === 'area') {
      // An anchor inside an anchor ends the outer one.
      const anchor = href === undefined ? null : anchorOf(href)
      open = element === 'a' ? anchor : null
    } else if (element === 'base') base ??= href
    else if (element === 'meta' && refresh === undefined && attributes['http-equiv']?.toLowerCase() === 'refresh') {
      if (!isOpen('noscript')) refresh = refreshOf(content)
    }
    element = undefined
  }

  const callbacks: TokenizerCallbacks = {
    isInForeignContext,
    onopentagname(start, end) {
      const name = text.slice(start, end).toLowerCase()
      isPushed = push(name)
      attributes = {}
      element = watched.has(name) ? name : undefined
    },
    onattribname(start, end) {
      attribute = undefined
      if (element === undefined || end - start > 'http-equiv'.length) return
      const name = text.slice(start, end).toLowerCase()
      // Of a repeated attribute the first counts.
      if (watched.get(element)?.includes(name) && !Object.hasOwn(attributes, name)) attribute = name
    },
    onattribdata(start, end) {
      if (attribute !== undefined) value += text.slice(start, end)
    },
    onattribentity(codePoint) {
      if (attribute !== undefined) value += String.fromCodePoint(codePoint)
    },
    onattribend() {
      if (attribute !== undefined) attributes[attribute] = value
      attribute = undefined
      value = ''
    },
    onopentagend() {
      finishTag()
    },
    onselfclosingtag() {
      finishTag()
      if (isPushed && isInForeignContext()) pop()
    },
    onclosetag(start, end) {
      const name = text.slice(start, end).toLowerCase()
      // It may stand too deep to be known as open.
      if (name === 'a') open = null
      if (!isOpen(name)) return
      while (pop() !== name);
    },
    ontext(start, end) {
      if (open !== null) open.text += text.slice(start, end)
    },
    ontextentity(codePoint) {
      if (open !== null) open.text += String.fromCodePoint(codePoint)
    },
    oncdata(start, end, offset) {
      if (open !== null && isInForeignContext()) open.text += text.slice(start, end - offset)
    },
    oncomment() {},
    ondeclaration() {},
    onprocessinginstruction() {},
    onend() {
      finishTag()
    },
  }
  const tokenizer = new Tokenizer({}, callbacks)
  tokenizer.write(text)
  tokenizer.end()
  return { anchors: [...anchors.values()], base, refresh }
}
