import { parseInstant } from '../../lib/clock.ts'
import { Unavailable } from '../../lib/errors.ts'
import { isUuid } from '../../lib/ids.ts'
import { Poisoned } from '../../projections/engine/poison-event.ts'
import type { KnownPast } from '../../projections/known.ts'
import type { Position } from '../../stores/event-log.ts'
import { headerOf } from '../faces/arrival.ts'
import type { HttpContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { Problem } from '../replies/problem.ts'
import { parsePosition } from './event-position.ts'
import { cursorMoment, isTime } from './query.ts'

/** Questions about the past that one principal may have open at a time; views are built one after the other. */
const mostPerPrincipal = 16

/** Answers questions about the past. Source: native contract, section 8. */
export interface AsOf {
  /** The moment that a request names: on the native API by `asOf` or by the cursor of a past list, on faces by the header `As-Of`. */
  asked(c: HttpContext): string | undefined
  /** Does something with the views of that moment. */
  during<Result>(
    c: HttpContext,
    moment: string,
    reads: readonly string[],
    work: (known: KnownPast) => Result | Promise<Result>,
  ): Promise<Result>
}

export const createAsOf = (ports: Pick<HttpPorts, 'log' | 'knowledge' | 'clock'>): AsOf => {
  const { log, knowledge, clock } = ports
  const open = new Map<string, number>()

  const positionOf = async (moment: string): Promise<Position> => {
    if (isUuid(moment.toLowerCase())) {
      const position = await knowledge.positionOf(moment.toLowerCase())
      if (position === undefined) throw new Problem('not-found', `there is no event ${moment}`)
      return position
    }
    if (isTime(moment)) {
      const at = parseInstant(moment)
      if (at > clock.now()) throw unknown(`${moment} is after now`)
      return knowledge.positionAt(at)
    }
    const position = await parsePosition(ports, moment, 'asOf').catch(() => {
      throw unknown(`"${moment}" is neither a position of this server, nor a time (RFC 3339), nor the id of an event`)
    })
    if (position > (await log.head())) throw unknown(`the position ${position} is after the end of the log`)
    return position
  }

  return {
    asked: (c) => (c.face === null ? nativeMoment(c) : headerOf(c, 'as-of')),
    during: async (c, moment, reads, work) => {
      refuseCombinations(c)
      const { name } = c.principal
      const others = open.get(name) ?? 0
      if (others >= mostPerPrincipal) throw new Problem('overloaded', 'too many requests for past moments at a time')
      open.set(name, others + 1)
      try {
        const known = await positionOf(moment)
          .then((position) => knowledge.at(position, reads))
          .catch((error: unknown) => {
            throw notCaughtUp(error)
          })
        try {
          return await work(known)
        } finally {
          known.release()
        }
      } finally {
        const left = (open.get(name) ?? 1) - 1
        if (left > 0) open.set(name, left)
        else open.delete(name)
      }
    },
  }
}

/** What a view becomes that is not there yet, or cannot be. */
export const notCaughtUp = (error: unknown): unknown => {
  if (error instanceof Unavailable) return new Problem('not-caught-up', error.message, { headers: { 'Retry-After': '5' } })
  if (error instanceof Poisoned) return new Problem('not-caught-up', `the views of that moment cannot be built: ${error.message}`)
  return error
}

const unknown = (detail: string): Problem =>
  new Problem('moment-unknown', detail, { errors: [{ pointer: '?asOf', message: 'not a past moment' }] })

/** What may name a moment, however it is written. */
const mayNameMoment = /asOf|cursor|%/

/** A `+` that was not percent-encoded arrives as a space. */
const nativeMoment = ({ query }: HttpContext): string | undefined => {
  if (!mayNameMoment.test(query)) return undefined
  const given = new URLSearchParams(query)
  const [moment, ...others] = given.getAll('asOf')
  if (others.length > 0) throw unknown('asOf is given more than once')
  return moment?.replace(' ', '+') ?? cursorMoment(given.get('cursor') ?? undefined)
}

/** Refuses `asOf` together with waiting, following or changing: these belong to the present. */
const refuseCombinations = (c: HttpContext): void => {
  const others = [
    ...(c.face === null && new URLSearchParams(c.query).has('wait') ? ['wait'] : []),
    ...(headerOf(c, 'if-match') === undefined ? [] : ['If-Match']),
    ...(headerOf(c, 'accept')?.includes('text/event-stream') === true ? ['an event stream'] : []),
  ]
  if (others.length > 0) throw unknown(`a moment of the past cannot be combined with ${others.join(' and ')}`)
}

/** A past answer never changes; where a time was given, the log may still get a position for it. */
export const isForEver = (moment: string): boolean => !isTime(moment.replace(' ', '+'))
