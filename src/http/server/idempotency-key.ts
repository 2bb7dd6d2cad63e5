import type { Executor } from '../../commands/execute.ts'
import { type RequestCommand, request } from '../../commands/request.ts'
import type { KeptAnswer } from '../../events/request.ts'
import { type Clock, instant, parseInstant } from '../../lib/clock.ts'
import { Unavailable } from '../../lib/errors.ts'
import { derivedId, newId, sha256 } from '../../lib/ids.ts'
import type { Blobs } from '../../stores/blobs.ts'
import { type HttpContext, requestContext } from '../faces/http-context.ts'
import type { HttpPorts } from '../faces/http-ports.ts'
import { readBody } from '../reading/body.ts'
import { Problem } from '../replies/problem.ts'
import { bytesOf, type Reply, withHeaders } from '../replies/reply.ts'

/** The key itself, without its quotes; undefined where no header is. Throws the problem `invalid` for anything but 1 to 255 visible characters. */
export const idempotencyKey = (header: string | undefined): string | undefined => {
  if (header === undefined) return undefined
  const key = /^"(.*)"$/.exec(header)?.[1] ?? header
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new Problem('invalid', 'Idempotency-Key must be 1 to 255 visible characters')
}

/** A claim of another node that is younger is being worked on; an older one was left by a crash, or asks for a long wait. */
const inUseMs = 5_000

const keyInUse = (): Problem =>
  new Problem('key-in-use', 'a request with this Idempotency-Key is being processed', { headers: { 'Retry-After': '1' } })

/** Bytes of an answer that are kept in the log itself; a longer one would not fit beside the request that it repeats. */
const mostKeptInLog = 64 * 1024

const isSame = (one: KeptAnswer, other: KeptAnswer): boolean =>
  one.body === other.body && one.blob === other.blob && one.sealed?.$sealed === other.sealed?.$sealed

/** Headers that belong to one answer only. */
const passing = new Set(['date', 'traceparent', 'connection', 'content-length', 'transfer-encoding'])

type Answering = () => Promise<{ readonly answer: Reply; readonly error: unknown }>

export interface Idempotency {
  /**
   * Runs `answering` at most once per key, and gives its answer again to every repetition. `error` is what the route threw, already
   * worded in `answer`.
   */
  once(c: HttpContext, key: string, answering: Answering): Promise<Reply>
}

/**
 * Answers kept in the log, in a stream per principal and key, so that they hold across restarts. The claimed command id makes a
 * repetition after a crash the same command. Source: native contract, section 2.
 */
export const createIdempotency = ({
  executor,
  blobs,
  seal,
  unseal,
  clock,
  sharesLog,
  extraHeaders,
}: {
  readonly executor: Executor
  readonly blobs: Blobs
  readonly seal: HttpPorts['seal']
  readonly unseal: HttpPorts['unseal']
  readonly clock: Clock
  /** Other nodes stand on the same log: a claim that is not of this process may be theirs. */
  readonly sharesLog: boolean
  /** The headers that every answer gets, so that they are kept with it; undefined where it gets none. */
  readonly extraHeaders: (c: HttpContext) => Readonly<Record<string, string>> | undefined
}): Idempotency => {
  /** Keys in work in this process; a claim without an answer that is not among them was left by a crash. */
  const inWork = new Set<string>()
  const node = newId()

  const run = async (c: HttpContext, stream: string, answering: Answering): Promise<Reply> => {
    const body = c.received?.sha256 ?? sha256(await readBody(c))
    const fingerprint = sha256(`${c.method} ${c.sentPath} ${c.principal.name} ${body}`)
    const command = (type: RequestCommand, step: string) => {
      const context = requestContext(c)
      return executor.execute(request, type, { ...context, commandId: derivedId(step, context.commandId, newId()) })
    }
    const first = requestContext(c)
    const claimed = await command(
      { type: 'ClaimKey', stream, fingerprint, commandId: first.commandId, node, at: instant(clock.now()) },
      'claim',
    )
    if (claimed.refused !== undefined || claimed.state.status === 'free')
      throw new Problem('key-reused', 'this Idempotency-Key was used for another request')
    if (claimed.state.status === 'answered') return again(claimed.state.answer)
    const { commandId } = claimed.state
    // A claim that was left behind by a crash: the same command again, recorded once.
    c.repeated = commandId !== first.commandId
    if (c.repeated && sharesLog && isOfAnotherNode(claimed.state)) throw keyInUse()
    c.command = { ...first, commandId, correlationId: commandId }
    const { answer, error } = await answering()
    const { status } = answer
    // A fault may have struck after the command was recorded: the claim stays, and a repetition is the same command.
    if (status >= 500 && !(error instanceof Problem)) return answer
    if (status >= 400) {
      await command({ type: 'FreeKey', stream }, 'free')
      return answer
    }
    const content = await bytesOf(answer)
    const whole = withHeaders(answer, extraHeaders(c) ?? {})
    const named = Object.entries(whole.headers).map(([name, value]) => [name.toLowerCase(), value] as const)
    const headers = Object.fromEntries(named.filter(([name]) => !passing.has(name)))
    const kept = { status, headers, ...(await keep(content, answer.sealedFor)) }
    const answered = await command({ type: 'AnswerKey', stream, answer: kept }, 'answer')
    // Another node had the same request at the same time: its answer came first and is the one that holds.
    if (answered.state.status === 'answered' && !isSame(answered.state.answer, kept)) return again(answered.state.answer)
    return { status, headers: whole.headers, body: content.length === 0 ? null : content }
  }

  const isOfAnotherNode = ({
    node: its,
    at,
  }: {
    readonly node?: string | undefined
    readonly at?: string | undefined
  }): boolean => its !== undefined && its !== node && at !== undefined && Math.abs(clock.now() - parseInstant(at)) < inUseMs

  const keep = async (content: Buffer, sealedFor: string | undefined): Promise<Pick<KeptAnswer, 'body' | 'blob' | 'sealed'>> => {
    if (sealedFor !== undefined) return { body: '', sealed: await seal(sealedFor, content.toString('base64')) }
    return content.length <= mostKeptInLog
      ? { body: content.toString('base64') }
      : { body: '', blob: (await blobs.put(content)).ref }
  }

  const again = async ({ status, headers, body: kept, blob, sealed }: KeptAnswer): Promise<Reply> => {
    const body = sealed === undefined ? kept : String(await unseal(sealed))
    const content = blob === undefined ? Buffer.from(body, 'base64') : await blobs.get(blob)
    if (content === undefined) throw new Unavailable(`the stored answer ${blob} is not in the blob store`)
    return {
      status,
      headers: { ...headers, 'Idempotency-Replayed': 'true' },
      body: content.length === 0 ? null : content,
    }
  }

  return {
    once: async (c, key, answering) => {
      const stream = `request-${sha256(`${c.principal.name}\u0000${key}`)}`
      if (inWork.has(stream)) throw keyInUse()
      inWork.add(stream)
      try {
        return await run(c, stream, answering)
      } finally {
        inWork.delete(stream)
      }
    },
  }
}
