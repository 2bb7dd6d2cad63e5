import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import { messageOf } from '../../lib/errors.ts'
import { headerOf } from '../faces/arrival.ts'
import type { HttpContext } from '../faces/http-context.ts'
import { Problem } from '../replies/problem.ts'
import { tooLarge } from './body.ts'
import { bodyStream } from './body-stream.ts'

/** A file of a form, as it arrives: the rest of the form comes when `content` was read to its end. */
export interface FilePart {
  readonly name: string
  readonly fileName: string
  readonly type: string
  readonly content: Readable
}

const mostParts = 1_000
const longestName = 200

/**
 * The fields of a `multipart/form-data` body in the order of their parts; `MAX_BODY_BYTES` limits them together. `onFile` is called for each part
 * that is a file; without it files are passed over. The body has at most `maxBytes`. Throws what `onFile` throws, what `bodyStream` throws, and the
 * problem `invalid` for a malformed form or more than 1000 parts.
 */
export const readMultipart = async (
  c: HttpContext,
  { maxBytes, onFile }: { readonly maxBytes: number; readonly onFile?: (part: FilePart) => Promise<void> },
): Promise<URLSearchParams> => {
  const fields = new URLSearchParams()
  const files: Promise<void>[] = []
  const open = new Set<Readable>()
  let fieldBytes = 0
  const parser = parserOf(c)
  let failure: { readonly error: unknown } | undefined
  const fail = (error: unknown): void => {
    failure ??= { error }
    parser.destroy(error as Error)
  }
  const tooMany = (): void => fail(new Problem('invalid', `the form has more than ${mostParts} parts`))
  parser.on('partsLimit', tooMany)
  parser.on('field', (name, value, _isNameCut, isValueCut) => {
    fieldBytes += name.length + value.length
    if (name.length > longestName) fail(malformed(`a name has more than ${longestName} characters`))
    else if (isValueCut || fieldBytes > c.maxBodyBytes) fail(tooLarge(c.maxBodyBytes))
    else fields.append(name, value)
  })
  parser.on('file', (name, content, fileName, _encoding, type) => {
    // Whoever reads it hears of its failure; without a listener of its own one that nobody reads any more would end the process.
    content.on('error', () => undefined)
    if (onFile === undefined) return void content.resume()
    open.add(content)
    files.push(onFile({ name, fileName, type, content }).catch(fail))
  })
  try {
    await pipeline(Readable.from(bodyStream(c, maxBytes)), parser)
  } catch (error) {
    for (const content of open) content.destroy(error as Error)
    await Promise.all(files)
    if (failure !== undefined) throw failure.error
    throw error instanceof Problem ? error : malformed(messageOf(error))
  }
  await Promise.all(files)
  if (failure !== undefined) throw failure.error
  return fields
}

const parserOf = (c: HttpContext): InstanceType<typeof Busboy> => {
  try {
    return new Busboy({
      headers: { 'content-type': headerOf(c, 'content-type') ?? '' },
      limits: { parts: mostParts, fieldSize: c.maxBodyBytes, headerPairs: 20 },
    })
  } catch (error) {
    throw malformed(messageOf(error))
  }
}

const malformed = (why: string): Problem => new Problem('invalid', `the body is not a form: ${why}`)
