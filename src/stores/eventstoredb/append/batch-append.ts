import type { BaseOptions } from '@eventstore/db-client'
import unpacking from '@eventstore/db-client/dist/streams/appendToStream/unpackError.js'
import commandErrors from '@eventstore/db-client/dist/utils/CommandError.js'
import uuids from '@eventstore/db-client/dist/utils/grpcUUID.js'
import streamsGrpc, { type StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import type { BatchAppendResp } from '@eventstore/db-client/generated/streams_pb.js'
import type { Clock } from '../../../lib/clock.ts'
import { Unavailable } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import type { AppendRequest } from '../../encode-append.ts'
import type { EventStoreDbConnection } from '../client.ts'
import { faultOf } from '../faults.ts'
import { type BatchMessage, encodeBatchMessage } from './batch-message.ts'

/** What the server said about one append; `position` is missing for a repetition of what can no longer be read. */
export interface BatchAppended {
  readonly nextExpectedRevision: bigint
  readonly position?: { readonly commit: bigint; readonly prepare: bigint } | undefined
}

/** Sends appends over one call that stays open. */
export interface BatchAppender {
  /**
   * Rejects with what the server refuses it for (`faults.ts`), or with an unknown outcome: nothing came in time, or the call broke.
   * The next append makes a new call then.
   */
  append(request: AppendRequest, expectedRevision: BatchMessage['expectedRevision']): Promise<BatchAppended>
  /** Ends the call; for when nothing is under way. */
  close(): void
}

interface Waiting {
  readonly resolve: (appended: BatchAppended) => void
  readonly reject: (error: unknown) => void
  /** How many answers the call had given when this one was sent. */
  readonly answersBefore: number
  readonly disarm: () => void
}

interface Duplex {
  write(message: Buffer): boolean
  cancel(): void
  on(event: 'data', listener: (answer: BatchAppendResp) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end' | 'close', listener: () => void): unknown
}

/** One call and its pending appends, which end with it. */
interface Call {
  readonly duplex: Duplex
  readonly waiting: Map<string, Waiting>
  answers: number
  isOver: boolean
}

/** What the client keeps to itself: the connection in use (it finds the leader and reconnects) and what every call carries. */
interface Internals {
  GRPCStreamCreator(service: unknown, name: string, create: (client: StreamsClient) => Duplex): () => Promise<Duplex>
  callArguments(base: BaseOptions, options: { deadline: number }): readonly [never, never]
}

/** Answers that concern their own append alone; after any other the call is not trusted any longer (a leader that moved, a server that stops). */
const ownFaults = new Set([
  'wrong-expected-version',
  'stream-deleted',
  'access-denied',
  'maximum-append-size-exceeded',
  'deadline-exceeded',
])

/** Appends over the server's batch call, with a table of our own of what is under way: why not the client's is said in append.ts. */
export const createBatchAppender = ({
  connection: { client, callOptions },
  answerWithinMs,
  clock,
}: {
  readonly connection: Pick<EventStoreDbConnection, 'client' | 'callOptions'>
  readonly answerWithinMs: number
  readonly clock: Clock
}): BatchAppender => {
  const { StreamsClient: service, StreamsService } = streamsGrpc
  const { path, responseDeserialize } = StreamsService.batchAppend
  const internals = client as unknown as Internals
  /** The call that appends go over, from before it is open. */
  let opening: Promise<Call> | undefined
  let inUse: Call | undefined
  let isClosed = false

  /** Ends a call: the outcome of everything on it is unknown. */
  const drop = (call: Call, error: Error): void => {
    if (call.isOver) return
    call.isOver = true
    if (inUse === call) {
      inUse = undefined
      opening = undefined
    }
    for (const { reject, disarm } of call.waiting.values()) {
      disarm()
      reject(error)
    }
    call.waiting.clear()
    call.duplex.cancel()
  }

  const answered = (call: Call, answer: BatchAppendResp): void => {
    call.answers += 1
    const id = uuids.parseUUID(answer.getCorrelationId()) ?? ''
    const waiting = call.waiting.get(id)
    // Late, or a second time.
    if (waiting === undefined) return
    call.waiting.delete(id)
    waiting.disarm()
    const success = answer.getSuccess()
    if (success !== undefined) {
      const position = success.getPosition()
      waiting.resolve({
        nextExpectedRevision: BigInt(success.getCurrentRevision()),
        position: position && {
          commit: BigInt(position.getCommitPosition()),
          prepare: BigInt(position.getPreparePosition()),
        },
      })
      return
    }
    const error = faultIn(answer)
    waiting.reject(error)
    if (!ownFaults.has(faultOf(error))) drop(call, new Unavailable(`the server ended its batch of appends: ${error.message}`))
  }

  const callOn = (grpc: StreamsClient): Duplex => {
    const carried = internals.callArguments(callOptions, { deadline: Number.POSITIVE_INFINITY })
    const asItIs = (message: Buffer): Buffer => message
    const duplex = grpc.makeBidiStreamRequest(path, asItIs, responseDeserialize, ...carried)
    const call: Call = { duplex, waiting: new Map(), answers: 0, isOver: false }
    inUse = call
    duplex.on('data', (answer) => answered(call, answer))
    // Stays for good: an error without a listener ends the process.
    duplex.on('error', (error) => drop(call, commandErrors.convertToCommandError(error)))
    const ended = (): void => drop(call, new Unavailable('the server ended the call'))
    duplex.on('end', ended)
    duplex.on('close', ended)
    return duplex
  }

  const open = async (): Promise<Call> => {
    await internals.GRPCStreamCreator(service, 'batchAppend', callOn)()
    if (inUse === undefined) throw new Unavailable('the call failed while it was being sent')
    return inUse
  }

  const callInUse = (): Promise<Call> => {
    if (opening !== undefined) return opening
    const made = open()
    opening = made
    made.catch(() => {
      if (opening === made) opening = undefined
    })
    return made
  }

  /** A call on which nothing else was answered meanwhile is taken for dead. */
  const late = (call: Call, id: string): void => {
    const waiting = call.waiting.get(id)
    if (waiting === undefined) return
    const error = new Unavailable(`no answer within ${answerWithinMs} ms`)
    call.waiting.delete(id)
    waiting.reject(error)
    if (call.answers === waiting.answersBefore) drop(call, error)
  }

  return {
    append: async (request, expectedRevision) => {
      const call = await callInUse()
      if (isClosed || call.isOver) throw new Unavailable('the call was closed')
      const correlationId = newId()
      const message = encodeBatchMessage({ correlationId, request, expectedRevision, now: clock.now() })
      return new Promise((resolve, reject) => {
        const disarm = clock.after(answerWithinMs, () => late(call, correlationId))
        call.waiting.set(correlationId, { resolve, reject, answersBefore: call.answers, disarm })
        call.duplex.write(message)
      })
    },
    close: () => {
      isClosed = true
      if (inUse !== undefined) drop(inUse, new Unavailable('the log is closed'))
    },
  }
}

const faultIn = (answer: BatchAppendResp): Error => {
  const error = answer.getError()
  const stream = Buffer.from(answer.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()
  if (error?.getDetails() === undefined) return new Unavailable(error?.getMessage() || 'the server gave no reason')
  return unpacking.unpackToCommandError(error, stream) as Error
}
