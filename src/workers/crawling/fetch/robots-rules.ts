import { createTurns } from '../../../lib/event-loop-turns.ts'

/** What a robots.txt says to one agent. */
export interface RobotsRules {
  /** What they take of memory, about: characters of text and rules. */
  readonly size: number
  /** Whether a page of the site may be fetched: `path` with its query. */
  allows(path: string): boolean
}

interface Rule {
  readonly allow: boolean
  /** Of the pattern: the longest one decides. */
  readonly length: number
  /** What stands between the asterisks; the first part is where the path begins. */
  readonly parts: readonly string[]
  /** The pattern ends with `$`. */
  readonly isWhole: boolean
}

interface Group {
  readonly agents: string[]
  readonly rules: Rule[]
}

/** Characters of a robots.txt that are read. Source: RFC 9309, section 2.5. */
const mostCharacters = 500 * 1024
/** Of patterns with asterisks, in all: matching takes this times the length of a path at most. Later ones count up to their asterisk. */
const mostWildcardCharacters = 16 * 1024

/** 60,000 lines take 100 ms: others have their turn in between. */
const linesPerTurn = 2_000
const turn = createTurns()
/** Of one rule, in characters of text. */
const ruleSize = 100

/** Reads a robots.txt (RFC 9309) in time that is linear in its length. `userAgent` as it is sent. */
export const robotsRules = async (text: string, userAgent: string): Promise<RobotsRules> => {
  const read = text.slice(0, mostCharacters)
  const rules = rulesFor(await groupsOf(read), userAgent.toLowerCase())
  return {
    // Patterns are parts of the text, which is kept with them.
    size: rules.length === 0 ? 1 : read.length + ruleSize * rules.length,
    allows: (path) => {
      const shown = upperEscapes(path)
      let best: Rule | undefined
      for (const rule of rules) {
        const isBetter = best === undefined || rule.length > best.length || (rule.length === best.length && rule.allow)
        if (isBetter && matches(rule, shown)) best = rule
      }
      return best?.allow ?? true
    },
  }
}

const groupsOf = async (text: string): Promise<readonly Group[]> => {
  const groups: Group[] = []
  let wildcardCharacters = 0
  let isInAgents = false
  for (const [number, line] of text.split(/\r\n|\r|\n/).entries()) {
    if (number > 0 && number % linesPerTurn === 0) await turn()
    const hash = line.indexOf('#')
    const stated = hash < 0 ? line : line.slice(0, hash)
    const colon = stated.indexOf(':')
    if (colon < 0) continue
    const name = stated.slice(0, colon).trim().toLowerCase()
    const value = stated.slice(colon + 1).trim()
    if (name === 'user-agent') {
      if (!isInAgents) groups.push({ agents: [], rules: [] })
      groups.at(-1)?.agents.push(value.toLowerCase())
      isInAgents = true
    } else if (name === 'allow' || name === 'disallow') {
      isInAgents = false
      const allow = name === 'allow'
      if (value.includes('*')) wildcardCharacters += value.length
      const isCut = value.includes('*') && wildcardCharacters > mostWildcardCharacters
      // In doubt a page is not fetched.
      if (value !== '' && !(isCut && allow))
        groups.at(-1)?.rules.push(ruleOf(isCut ? value.slice(0, value.indexOf('*')) : value, allow))
    }
  }
  return groups
}

const ruleOf = (pattern: string, allow: boolean): Rule => {
  const isWhole = pattern.endsWith('$')
  const parts = upperEscapes(encoded(isWhole ? pattern.slice(0, -1) : pattern)).split(/\*+/)
  return { allow, length: pattern.length, parts, isWhole }
}

/** Those of the groups whose agent is the most exact one, else those for everybody. */
const rulesFor = (groups: readonly Group[], userAgent: string): readonly Rule[] => {
  let length = 0
  for (const { agents } of groups)
    for (const agent of agents) if (agent.length > length && agent !== '*' && userAgent.includes(agent)) length = agent.length
  const isMeant = (agent: string): boolean =>
    length === 0 ? agent === '*' : agent.length === length && agent !== '*' && userAgent.includes(agent)
  return groups.filter(({ agents }) => agents.some(isMeant)).flatMap(({ rules }) => rules)
}

/** Each part where it comes first after the one before: with asterisks alone that finds a match wherever there is one. */
const matches = ({ parts, isWhole }: Rule, path: string): boolean => {
  const [first = '', ...others] = parts
  if (!path.startsWith(first)) return false
  let at = first.length
  for (const [index, part] of others.entries()) {
    if (isWhole && index === others.length - 1) return path.length - part.length >= at && path.endsWith(part)
    const found = path.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return !isWhole || at === path.length
}

const encoded = (text: string): string => text.replace(/[^\x21-\x7e]+/gu, (part) => encodeURIComponent(part.toWellFormed()))

const upperEscapes = (path: string): string => path.replace(/%[0-9a-f]{2}/gi, (escaped) => escaped.toUpperCase())
