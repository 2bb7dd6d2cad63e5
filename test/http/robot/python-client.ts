import { type OutgoingHttpHeaders, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect } from 'vitest'

/** An answer as the client of Python meets it. */
interface PythonAnswer {
  readonly status: number
  readonly type: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly json: any
}

/** What python-requests sends of itself. */
const sessionHeaders = {
  'User-Agent': 'python-requests/2.18.4',
  'Accept-Encoding': 'gzip, deflate',
  Accept: '*/*',
  Connection: 'keep-alive',
}

/**
 * The generated client of 0-robot: every request declares JSON, with a body or without one; queries are written as Python writes values, and
 * an answer of any other status than the expected one is an error.
 */
export const pythonClient = (base: string, headers: OutgoingHttpHeaders = {}) => {
  const call = (method: string, path: string, { body, params = {} }: Sent = {}): Promise<PythonAnswer> => {
    const query = Object.entries(params).flatMap(([name, value]) =>
      value === null ? [] : [`${name}=${encodeURIComponent(written(value))}`],
    )
    const content = body === undefined ? undefined : dumps(body)
    return new Promise((resolve, reject) => {
      const sent = request(
        `${base}${path}${query.length === 0 ? '' : `?${query.join('&')}`}`,
        {
          method,
          headers: {
            ...sessionHeaders,
            ...headers,
            'Content-Type': 'application/json',
            // requests says the length of every body, and of none where the method may have one.
            ...(method === 'GET' || method === 'HEAD' ? {} : { 'Content-Length': Buffer.byteLength(content ?? '') }),
          },
        },
        (response) => {
          text(response).then((received) => {
            const { statusCode: status = 0, headers } = response
            resolve({ status, type: headers['content-type'], json: received === '' ? undefined : JSON.parse(received) })
          }, reject)
        },
      )
      sent.on('error', reject).end(content)
    })
  }
  return {
    call,
    /** The JSON of an answer that has to have this status. */
    expect: async (status: number, method: string, path: string, sent?: Sent) => {
      const answer = await call(method, path, sent)
      expect(answer, `${method} ${path}`).toMatchObject({ status })
      if (answer.json !== undefined) expect(answer.type).toBe('application/json')
      return answer.json
    },
  }
}

type Scalar = string | boolean | number | null
interface Sent {
  readonly body?: unknown
  readonly params?: Readonly<Record<string, Scalar>>
}

const written = (value: Exclude<Scalar, null>): string => {
  if (typeof value !== 'boolean') return String(value)
  return value ? 'True' : 'False'
}

/** `json.dumps`: a space behind each separator, and nothing but ASCII. */
const dumps = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(dumps).join(', ')}]`
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([name, member]) => `${dumps(name)}: ${dumps(member)}`)
      .join(', ')}}`
  return JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

const isText = expect.any(String)
const isWhole = expect.toSatisfy((value) => Number.isInteger(value), 'int')

/** What the generated models demand of a document: required members with their types. */
export const models = {
  service: { template: isText, version: isText, guid: isText, name: isText, state: expect.any(Array) },
  template: { uid: isText, host: isText, account: isText, repository: isText, name: isText, version: isText },
  task: {
    ...{ action_name: isText, template_name: isText, service_name: isText, service_guid: isText, guid: isText },
    ...{ state: expect.stringMatching(/^(new|running|ok|error)$/), created: isWhole },
  },
  /** Of the first clients, and the seven members of the later ones. */
  eco: {
    ...{
      appname: isText,
      epoch: isWhole,
      errormessage: isText,
      errormessagePub: isText,
      type: isText,
      state: isText,
      jid: isWhole,
    },
    ...{ masterjid: isWhole, category: isText, level: isWhole, funcname: isText, funcfilename: isText, funclinenr: isWhole },
    ...{ code: isText, exceptionclassname: isText, _limit: isWhole, _traceback: isText, uniquekey: isText, lasttime: isWhole },
    ...{ closetime: isWhole, occurrences: isWhole, guid: isText, tags: isText, pid: isWhole, data: expect.any(Object) },
    ...{
      cat: isText,
      count: isWhole,
      message: isText,
      message_pub: isText,
      time_first: isWhole,
      time_last: isWhole,
      trace: isText,
    },
  },
} as const
