import type { Policy } from '../../../events/operation.ts'
import { noBackoff } from '../../work.ts'

/** A refusal stands; only a lost worker starts again. Whoever waits cancels what takes too long. Source: clusters contract, section 10. */
export const membershipPolicy: Policy = { attempts: 1, timeoutMs: 3_600_000, backoff: noBackoff, whenLost: 'retry' }

/** Of each kind in one process, beside everything else: somebody waits for the answer. */
export const mostAtATime = 16
