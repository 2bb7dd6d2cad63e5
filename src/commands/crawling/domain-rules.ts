import type { DomainEvent } from '../../events/crawling/domain.ts'
import { comparableDomain } from '../../events/crawling/domain-key.ts'
import { sha256 } from '../../lib/ids.ts'
import { type Decider, nothing } from '../decider.ts'

/** The requester, and the domain as it was written. */
export interface DomainAsked {
  readonly domain: string
  readonly operation: string
  readonly appid: string
  readonly uuid: string
}
interface Throttle {
  readonly window: number
  readonly hits: number
  readonly scale: number
}
export type DomainCommand = { readonly asked: DomainAsked } & (
  | ({ readonly type: 'SetThrottle' } & Throttle)
  | { readonly type: 'RemoveThrottle' }
  | { readonly type: 'Blacklist' }
  | { readonly type: 'Unblacklist' }
)
export interface DomainState {
  readonly throttle: Throttle | null
  readonly blacklisted: boolean
}

/** Any text may be sent as a domain; an invalid one gets a stream too. */
const plainDomain = /^[a-z0-9._-]{1,200}$/

/** Throttle and blacklist of one domain. Setting the same value again, or removing a missing one, changes nothing. */
export const domainRules: Decider<DomainCommand, DomainEvent, DomainState, never> = {
  category: 'domain',
  streamOf: ({ asked }) => {
    const domain = comparableDomain(asked.domain)
    return `domain-${plainDomain.test(domain) ? domain : sha256(domain)}`
  },
  initial: { throttle: null, blacklisted: false },
  evolve: (state, { type, data }) => {
    switch (type) {
      case 'DomainThrottleSet':
        return { ...state, throttle: { window: data.window, hits: data.hits, scale: data.scale } }
      case 'DomainThrottleRemoved':
        return { ...state, throttle: null }
      case 'DomainBlacklisted':
        return { ...state, blacklisted: true }
      case 'DomainUnblacklisted':
        return { ...state, blacklisted: false }
    }
  },
  decide: (command, { throttle, blacklisted }) => {
    const { asked } = command
    switch (command.type) {
      case 'SetThrottle': {
        const { window, hits, scale } = command
        if (throttle?.window === window && throttle.hits === hits && throttle.scale === scale) return nothing
        return { events: [{ type: 'DomainThrottleSet', data: { ...asked, window, hits, scale } }] }
      }
      case 'RemoveThrottle':
        return throttle === null ? nothing : { events: [{ type: 'DomainThrottleRemoved', data: asked }] }
      case 'Blacklist':
        return blacklisted ? nothing : { events: [{ type: 'DomainBlacklisted', data: asked }] }
      case 'Unblacklist':
        return blacklisted ? { events: [{ type: 'DomainUnblacklisted', data: asked }] } : nothing
    }
  },
}
