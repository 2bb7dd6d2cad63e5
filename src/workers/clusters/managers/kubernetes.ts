import type { Clock } from '../../../lib/clock.ts'
import { isObject, type JsonObject } from '../../../lib/json.ts'
import type { Outbound, OutboundResponse } from '../../outbound/outbound.ts'
import { RequestFailed } from '../../outbound/request-failure.ts'
import { type ContainerManager, ManagerRefused } from './container-manager.ts'
import type { ManagerServer } from './manager-options.ts'

/** A change has this long: more than its requester waits, who cancels it. */
const callTimeoutMs = 15_000
/** Source: clusters contract, section 1, "Request/worker wait". */
const statusTimeoutMs = 10_000
const largestAnswerBytes = 1_048_576
const longestReason = 300

/** A server of the Kubernetes API, OpenShift too: hosts are its nodes. Source: clusters contract, section 6.7. */
export const kubernetesManager = ({
  outbound,
  clock,
  server,
}: {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly server: () => Promise<ManagerServer>
}): ContainerManager => {
  /** Every call may be made twice: a kept connection may close just when it is used again. */
  const send = async ({ method, path, signal, body, timeoutMs = callTimeoutMs }: Call): Promise<OutboundResponse> => {
    const until = clock.monotonic() + timeoutMs
    const { base, token, tls } = await server()
    const request = {
      url: `${base}/nodes${path}`,
      method,
      headers: {
        Accept: 'application/json',
        ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      tls,
      signal,
      timeoutMs,
      maxBytes: largestAnswerBytes,
    }
    try {
      return await outbound.request(request)
    } catch (error) {
      if (!(error instanceof RequestFailed) || error.reason !== 'lost') throw error
      return outbound.request({ ...request, timeoutMs: Math.max(0, until - clock.monotonic()) })
    }
  }

  /** The body of an answer that has one of these statuses. */
  const expected = async (statuses: readonly number[], call: Call): Promise<string> => {
    const { status, text } = await answerTo(call)
    if (statuses.includes(status)) return text
    throw new ManagerRefused(`the container manager answered ${status}${reasonIn(text)}`)
  }

  const answerTo = async (call: Call): Promise<{ readonly status: number; readonly text: string }> => {
    try {
      const answer = await send(call)
      return { status: answer.status, text: await answer.text() }
    } catch (error) {
      if (call.signal.aborted || error instanceof ManagerRefused) throw error
      const why = error instanceof RequestFailed ? `${error.reason}, ${error.message}` : 'the request cannot be sent'
      throw new ManagerRefused(`the container manager was not reached: ${why}`, { isUnanswered: !neverSent(error), cause: error })
    }
  }

  return {
    register: async (address, signal) => {
      const node = { kind: 'Node', apiVersion: 'v1', metadata: { name: address } }
      await expected([201, 409], { method: 'POST', path: '', signal, body: node })
    },
    remove: async (address, signal, timeoutMs) => {
      await expected([200, 404], { method: 'DELETE', path: nodePath(address), signal, timeoutMs })
    },
    status: async (address, signal) => {
      const node = parsed(await expected([200], { method: 'GET', path: nodePath(address), signal, timeoutMs: statusTimeoutMs }))
      if (node === undefined) throw new ManagerRefused('the container manager answered 200 without a JSON object')
      return node
    },
  }
}

/** Whether the request cannot have reached the server. */
const neverSent = (error: unknown): boolean =>
  !(error instanceof RequestFailed) || !['timeout', 'lost', 'too_large'].includes(error.reason)

interface Call {
  readonly method: string
  readonly path: string
  readonly signal: AbortSignal
  readonly body?: JsonObject
  readonly timeoutMs?: number | undefined
}

/** A URL cannot say `.` and `..`: without this, removing such a node would remove all nodes. */
const nodePath = (address: string): string => {
  if (/^\.*$/.test(address)) throw new ManagerRefused(`"${address}" cannot be the name of a node`)
  return `/${encodeURIComponent(address)}`
}

const parsed = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? (value as JsonObject) : undefined
  } catch {
    return undefined
  }
}

/** What a Kubernetes `Status` says, for people. */
const reasonIn = (text: string): string => {
  const message = parsed(text)?.message
  return typeof message === 'string' ? `: ${message.slice(0, longestReason)}` : ''
}
