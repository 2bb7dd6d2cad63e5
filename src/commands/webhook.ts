import type { SealedValue } from '../events/sealed.ts'
import type { WebhookEvent, WebhookFilter } from '../events/webhook.ts'
import { derivedId } from '../lib/ids.ts'
import { type Decider, nothing, refuse } from './decider.ts'

/** What a webhook is set to. Source: native contract, section 12. */
export interface WebhookSettings {
  readonly url: string
  readonly filter: WebhookFilter
  readonly active: boolean
}

/** An event of the log that could not be delivered. */
export interface FailedEvent {
  readonly id: string
  readonly position: string
  readonly stream: string
  readonly revision: number
  readonly attempts: number
  readonly error: string
}

export type WebhookCommand = { readonly name: string } & (
  | ({
      readonly type: 'CreateWebhook'
      readonly secret: SealedValue
      readonly run: string
      readonly from: string
    } & WebhookSettings)
  | ({
      readonly type: 'ReplaceWebhook'
      /** Undefined: it stays as it is. */
      readonly secret: SealedValue | undefined
      /** Undefined: deliveries go on where they are. */
      readonly begin: { readonly run: string; readonly from: string } | undefined
    } & WebhookSettings)
  | {
      readonly type: 'PauseWebhook'
      readonly because: string
      /** Only where this stretch of deliveries still goes on. */
      readonly run?: string
    }
  | { readonly type: 'ResumeWebhook' }
  | { readonly type: 'DeleteWebhook' }
  | { readonly type: 'ParkEvent'; readonly run: string; readonly event: FailedEvent }
  | { readonly type: 'RedriveEvent'; readonly id: string }
  | { readonly type: 'SettleRedrive'; readonly run: string; readonly id: string }
  | { readonly type: 'DiscardEvent'; readonly id: string }
)

interface Parked {
  readonly position: string
  readonly redriving: boolean
}
export type WebhookState =
  | { readonly status: 'absent' }
  | ({
      readonly status: 'live'
      readonly secret: SealedValue
      readonly run: string
      readonly parked: Readonly<Record<string, Parked>>
    } & WebhookSettings)

export type WebhookRefusal =
  | { readonly reason: 'exists' }
  | { readonly reason: 'unknown-webhook' }
  | { readonly reason: 'unknown-parked' }

/** So many parked events mean that the receiver takes nothing any more: the webhook is paused. */
export const mostParked = 1_000

const plainName = /^[A-Za-z0-9._-]{1,100}$/

/** Names may have any characters; streams of plain ones show them. */
export const webhookStream = (name: string): string => `webhook-${plainName.test(name) ? name : derivedId('webhook', name)}`

/** Where events are delivered to, and what of them is parked. */
export const webhook: Decider<WebhookCommand, WebhookEvent, WebhookState, WebhookRefusal> = {
  category: 'webhook',
  streamOf: ({ name }) => webhookStream(name),
  initial: { status: 'absent' },
  evolve: (state, event) => {
    if (event.type === 'WebhookCreated') {
      const { url, filter, active, secret, run } = event.data
      return { status: 'live', url, filter, active, secret, run, parked: {} }
    }
    if (state.status === 'absent') return state
    switch (event.type) {
      case 'WebhookChanged': {
        const { url, filter, active, secret = state.secret, run = state.run, from } = event.data
        // What comes again anyway does not wait to be redriven.
        const kept = Object.entries(state.parked).filter(([, { position }]) => from === undefined || position <= from)
        return { ...state, url, filter, active, secret, run, parked: Object.fromEntries(kept) }
      }
      case 'WebhookPaused':
        return { ...state, active: false }
      case 'WebhookResumed':
        return { ...state, active: true }
      case 'WebhookDeleted':
        return { status: 'absent' }
      case 'WebhookEventParked': {
        const { id, position } = event.data
        return { ...state, parked: { ...state.parked, [id]: { position, redriving: false } } }
      }
      case 'WebhookRedriveRequested': {
        const known = state.parked[event.data.id]
        return known === undefined
          ? state
          : { ...state, parked: { ...state.parked, [event.data.id]: { ...known, redriving: true } } }
      }
      case 'WebhookEventRedriven':
      case 'WebhookEventDiscarded': {
        const { [event.data.id]: _gone, ...parked } = state.parked
        return { ...state, parked }
      }
    }
  },
  decide: (command, state) => {
    if (command.type === 'CreateWebhook') {
      const { name, url, filter, active, secret, run, from } = command
      if (state.status === 'absent')
        return { events: [{ type: 'WebhookCreated', data: { name, url, filter, active, secret, run, from } }] }
      // The same command once more, after a crash.
      return state.run === run ? nothing : refuse({ reason: 'exists' })
    }
    if (state.status === 'absent') return refuse({ reason: 'unknown-webhook' })
    switch (command.type) {
      case 'ReplaceWebhook': {
        const { url, filter, active, secret, begin } = command
        if (begin?.run === state.run || (isSame(state, command) && secret === undefined && begin === undefined)) return nothing
        return { events: [{ type: 'WebhookChanged', data: { url, filter, active, ...(secret && { secret }), ...begin } }] }
      }
      case 'PauseWebhook':
        return state.active && (command.run ?? state.run) === state.run
          ? { events: [{ type: 'WebhookPaused', data: { because: command.because } }] }
          : nothing
      case 'ResumeWebhook':
        return state.active ? nothing : { events: [{ type: 'WebhookResumed', data: {} }] }
      case 'DeleteWebhook':
        return { events: [{ type: 'WebhookDeleted', data: {} }] }
      case 'ParkEvent': {
        const { run, event } = command
        if (run !== state.run) return nothing
        const parked: WebhookEvent = { type: 'WebhookEventParked', data: { ...event, run } }
        const known = Object.keys(state.parked)
        if (known.length + (known.includes(event.id) ? 0 : 1) < mostParked || !state.active) return { events: [parked] }
        return { events: [parked, { type: 'WebhookPaused', data: { because: `${mostParked} events are parked` } }] }
      }
      case 'SettleRedrive':
        return command.run === state.run && state.parked[command.id]?.redriving
          ? { events: [{ type: 'WebhookEventRedriven', data: { id: command.id } }] }
          : nothing
      case 'RedriveEvent': {
        const known = parkedOf(state, command.id)
        if (known === undefined) return refuse({ reason: 'unknown-parked' })
        return known.redriving ? nothing : { events: [{ type: 'WebhookRedriveRequested', data: { id: command.id } }] }
      }
      case 'DiscardEvent':
        return parkedOf(state, command.id) === undefined
          ? refuse({ reason: 'unknown-parked' })
          : { events: [{ type: 'WebhookEventDiscarded', data: { id: command.id } }] }
    }
  },
}

const parkedOf = ({ parked }: Extract<WebhookState, { status: 'live' }>, id: string): Parked | undefined =>
  Object.hasOwn(parked, id) ? parked[id] : undefined

const isSame = (one: WebhookSettings, other: WebhookSettings): boolean =>
  one.url === other.url && one.active === other.active && JSON.stringify(one.filter) === JSON.stringify(other.filter)
