import type { Policy } from '../../events/operation.ts'
import { dayMs } from '../../lib/clock.ts'
import { noBackoff } from '../work.ts'

/** Each command has a time limit of its own. */
const noTimeLimitMs = 365 * dayMs

/** Of what is done on hosts: what failed there stays failed, and only a lost worker starts again. Source: clusters contract, section 10, "Limits". */
export const hostPolicy: Policy = { attempts: 1, timeoutMs: noTimeLimitMs, backoff: noBackoff, whenLost: 'retry' }
