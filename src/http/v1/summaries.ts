import type { admissionEvents } from '../../events/admission.ts'
import type { batchEvents } from '../../events/batch.ts'
import type { blobEvents } from '../../events/blob.ts'
import type { laneEvents } from '../../events/lane.ts'
import type { limitEvents } from '../../events/limit.ts'
import type { operationEvents } from '../../events/operation.ts'
import type { outputEvents } from '../../events/output.ts'
import type { requestEvents } from '../../events/request.ts'
import type { scheduleEvents } from '../../events/schedule.ts'
import type { secretEvents } from '../../events/secret.ts'
import type { webhookEvents, webhookProgressEvents } from '../../events/webhook.ts'
import type { SummariesOf } from '../replies/event-summary.ts'

type NativeSummaries = SummariesOf<typeof operationEvents> &
  SummariesOf<typeof outputEvents> &
  SummariesOf<typeof laneEvents> &
  SummariesOf<typeof limitEvents> &
  SummariesOf<typeof admissionEvents> &
  SummariesOf<typeof requestEvents> &
  SummariesOf<typeof secretEvents> &
  SummariesOf<typeof scheduleEvents> &
  SummariesOf<typeof webhookEvents> &
  SummariesOf<typeof webhookProgressEvents> &
  SummariesOf<typeof blobEvents> &
  SummariesOf<typeof batchEvents>

const because = (reason: string | null): string => (reason === null ? '' : `: ${reason}`)
const article = (word: string): string => (/^[aeiou]/i.test(word) ? 'an' : 'a')

/** What the events of the native API say. */
export const nativeSummaries: NativeSummaries = {
  OperationRequested: ({ kind, retryOf }, { who, through }) =>
    retryOf === null
      ? `${who} asked for ${article(kind)} ${kind} through ${through}`
      : `${who} asked for a retry of operation ${retryOf}, ${article(kind)} ${kind}, through ${through}`,
  OperationStarted: ({ attempt, worker }) => `attempt ${attempt} started on worker ${worker}`,
  OperationProgressed: ({ attempt, phase, fraction, detail, step }) => {
    if (step !== undefined)
      return `attempt ${attempt} finished the step ${step.name}${step.target === undefined ? '' : ` of target ${step.target}`}`
    const parts = [phase, fraction === null ? null : `${Math.round(fraction * 100)} %`, detail]
    return `attempt ${attempt} reported progress${because(parts.filter((part) => part !== null).join(', ') || null)}`
  },
  OperationLabelled: ({ attempt, labels }) => `attempt ${attempt} set the labels ${Object.keys(labels).join(', ')}`,
  OperationTargetsListed: ({ attempt, from, names }) => `attempt ${attempt} listed targets ${from + 1} to ${from + names.length}`,
  OperationTargetStarted: ({ attempt, target }) => `attempt ${attempt} started on target ${target}`,
  OperationTargetSucceeded: ({ attempt, target }) => `attempt ${attempt} succeeded on target ${target}`,
  OperationTargetFailed: ({ attempt, target, error }) => `attempt ${attempt} failed on target ${target}: ${error.message}`,
  OperationAttemptFailed: ({ attempt, error, retryAt }) =>
    `attempt ${attempt} failed and is repeated at ${retryAt}: ${error.message}`,
  OperationHeld: ({ attempt }) => `attempt ${attempt} may not start after all: a limit was changed, or nobody could start it`,
  OperationCancelRequested: ({ reason }, { who }) => `${who} asked for its cancellation${because(reason)}`,
  OperationSucceeded: ({ attempt }) => `attempt ${attempt} succeeded`,
  OperationFailed: ({ attempt, error }) => `attempt ${attempt} failed, and no other follows: ${error.message}`,
  OperationCancelled: ({ reason }) => `the operation was cancelled${because(reason)}`,
  OperationTimedOut: ({ attempt, timeoutMs }) => `attempt ${attempt} was ended after ${timeoutMs} ms, its time limit`,
  OutputWritten: ({ attempt, bytes, stream = 'stdout' }) => `attempt ${attempt} printed ${bytes} bytes to ${stream}`,
  LaneAcquired: ({ operation }, { key }) => `operation ${operation} entered the lane ${key}`,
  LaneReleased: ({ operation }, { key }) => `operation ${operation} left the lane ${key}`,
  LimitSet: ({ concurrency, rate }, { who, key }) => {
    const terms = [
      ...(concurrency === null ? [] : [`${concurrency} at a time`]),
      ...(rate === null ? [] : [`${rate.count} in ${rate.perMs} ms`]),
    ]
    return `${who} set the limit ${key}: ${terms.join(', ')}`
  },
  LimitRemoved: (_data, { who, key }) => `${who} removed the limit ${key}`,
  AttemptAdmitted: ({ operation, attempt }) => `the limits of operation ${operation} let attempt ${attempt} start`,
  AdmissionsResumed: () => 'a node looks after the limits from now on',
  KeyClaimed: (_data, { who, through }) => `${who} sent a request with an Idempotency-Key through ${through}`,
  KeyAnswered: ({ status }) => `the answer with status ${status} was kept for the Idempotency-Key`,
  KeyFreed: () => 'the Idempotency-Key may be used again',
  ScheduleCreated: ({ name, definition }, { who }) =>
    `${who} made the schedule ${name}, of ${article(definition.kind)} ${definition.kind}`,
  ScheduleReplaced: ({ definition }, { who }) =>
    `${who} replaced the schedule; it asks for ${article(definition.kind)} ${definition.kind}`,
  SchedulePaused: (_data, { who }) => `${who} paused the schedule`,
  ScheduleResumed: (_data, { who }) => `${who} resumed the schedule`,
  ScheduleSlotSkipped: ({ slot, reason }) => `nothing was fired for the slot ${slot}: ${reason}`,
  ScheduleRestarted: ({ from }) => `the clock was set back, and the interval goes on from ${from}`,
  ScheduleDeleted: (_data, { who }) => `${who} deleted the schedule`,
  SecretForgetRequested: (_data, { who, key }) => `${who} asked to forget the secrets of ${key}`,
  SecretForgotten: ({ events }, { key }) => `the secrets of ${key} were forgotten, in ${events} events`,
  BlobStored: ({ size, contentType }, { who, key }) => `${who} stored the blob ${key}: ${size} bytes, ${contentType}`,
  BatchAccepted: ({ items }, { who }) => `${who} asked for ${items.length} operations together`,
  BatchCompleted: () => 'all operations of the batch are requested',
  BlobDeleted: (_data, { who, key }) => `${who} deleted the blob ${key}`,
  WebhookCreated: ({ name, url }, { who }) => `${who} created the webhook ${name} to ${url}`,
  WebhookChanged: ({ url, from }, { who }) =>
    `${who} changed the webhook to ${url}${from === undefined ? '' : `, from position ${from} on`}`,
  WebhookPaused: ({ because }) => `the webhook was paused: ${because}`,
  WebhookResumed: (_data, { who }) => `${who} let the webhook go on`,
  WebhookDeleted: (_data, { who }) => `${who} deleted the webhook`,
  WebhookEventParked: ({ id, attempts, error }) => `event ${id} was parked after ${attempts} failed deliveries: ${error}`,
  WebhookRedriveRequested: ({ id }, { who }) => `${who} asked to deliver the parked event ${id} again`,
  WebhookEventRedriven: ({ id }) => `the parked event ${id} was delivered`,
  WebhookEventDiscarded: ({ id }, { who }) => `${who} discarded the parked event ${id}`,
  WebhookAdvanced: ({ position, delivered }) => `${delivered} events were delivered; the webhook stands at position ${position}`,
  WebhookDeliveryFailed: ({ id, attempts, error, retryAt }) =>
    `delivery ${attempts} of event ${id} failed and is repeated at ${retryAt}: ${error}`,
}
