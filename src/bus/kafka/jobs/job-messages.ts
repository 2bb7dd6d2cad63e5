import type { KafkaMessage } from 'kafkajs'
import { z } from 'zod'
import type { Job } from '../../job-bus.ts'
import type { Outgoing } from '../produce/batching-producer.ts'

/** The value of a message in `<prefix>.jobs`, as JSON. Members that are not known here are passed over. */
const JobMessage = z.object({
  operationId: z.string().min(1).max(200),
  kind: z.string().min(1).max(200),
  key: z.string().max(10_000),
  priority: z.number(),
  waitedAfter: z.number().optional(),
  admitted: z.object({ attempt: z.number(), number: z.number() }).optional(),
})

/** Where a message came from; `partition:offset` names it within its topic. */
export interface Source {
  readonly topic: string
  readonly partition: number
  readonly message: KafkaMessage
}

/** Jobs of one lane keep their order in one partition. Others go to any partition, so that a repeated job may reach another worker. */
export const messageOfJob = ({ operationId, kind, key, priority, waitedAfter, admitted }: Job, topic: string): Outgoing => ({
  topic,
  key: key === operationId ? null : key,
  value: JSON.stringify({ operationId, kind, key, priority, waitedAfter, admitted }),
})

export const jobOfMessage = ({ value }: KafkaMessage): Job | { readonly reason: string } => {
  if (value === null) return { reason: 'it has no value' }
  let json: unknown
  try {
    json = JSON.parse(value.toString())
  } catch {
    return { reason: 'it is not JSON' }
  }
  const parsed = JobMessage.safeParse(json)
  if (parsed.success) return parsed.data
  return {
    reason: `it is not a job: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim()).join('; ')}`,
  }
}
