import { newId } from '../lib/ids.ts'
import type { Secrets } from '../stores/secrets.ts'
import type { CommandContext, Executor } from './execute.ts'
import { secret } from './secret.ts'

/** Facts about a subject from the events that hold its sealed values. */
export interface SubjectUse {
  readonly events: number
  /** Operations that hold the secret in memory at this moment. */
  readonly running: readonly string[]
}

/** True where something was forgotten now, false where it had been before; undefined for a subject that nobody knows. */
export type Forget = (subject: string, use: SubjectUse | undefined, context: CommandContext) => Promise<boolean | undefined>

/** Makes the sealed values of a subject unreadable for ever. The next call finishes an interrupted one. */
export const createForget =
  ({ executor, secrets }: { readonly executor: Executor; readonly secrets: Secrets }): Forget =>
  async (subject, use, context) => {
    const [isSealed, { state }] = await Promise.all([
      secrets.has(subject),
      executor.load(secret, secret.streamOf({ type: 'RequestForgetting', subject })),
    ])
    if (!isSealed && state.status === 'forgotten') return false
    if (!isSealed && state.status === 'sealed' && use === undefined) return undefined
    await executor.execute(secret, { type: 'RequestForgetting', subject }, context)
    if (isSealed) await secrets.forget(subject)
    const { events, running } = use ?? { events: 0, running: [] }
    const remains = [
      ...running.map((id) => ({ what: `operation ${id} runs and holds the secret in memory until it ends`, until: null })),
      ...secrets.remains().map((what) => ({ what, until: null })),
    ]
    await executor.execute(
      secret,
      { type: 'RecordForgotten', subject, events, remains },
      { ...context, commandId: newId(), causationId: context.commandId },
    )
    return true
  }
