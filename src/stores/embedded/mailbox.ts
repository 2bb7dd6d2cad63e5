import type { BatchResult, WriteResult } from './requests.ts'

/** Most bytes of a batch that the memory holds; larger ones come as a message. */
const textBytes = 512 * 1024
/** Most requests whose answers it holds; more are answered with a message. */
const mostAnswers = 4096

const words = { bell: 0, bytes: 1, characters: 2, answers: 3, walGrown: 4 } as const
const headBytes = 64
const numbersPerAnswer = 3
const answerBytes = (1 + numbersPerAnswer * mostAnswers) * Float64Array.BYTES_PER_ELEMENT

const codes = ['appended', 'repeated', 'conflict', 'forgotten'] as const

/**
 * Memory that the log and its writer's thread share: one batch at a time lies in it, as text, and then its answers, as numbers. Nothing is
 * cloned on the way, and a thread that waits for the bell needs no event loop (74 → 64 µs of processor an append alone, both threads).
 * What does not fit goes as a message.
 */
export interface Mailbox {
  /** False where the batch is too large: nothing has been put then. */
  put(text: string): boolean
  /** Wakes the thread, which finds what was put, or a message. */
  ring(): void
  /** Blocks until the next ring; `heard` is the number of rings so far. */
  wait(heard: number): number
  /** What was put last; undefined where it was taken already. */
  take(): string | undefined
  /** False where the answers are too many, or say more than numbers. */
  answer(result: BatchResult): boolean
  answered(): BatchResult
}

export const newMailboxMemory = (): SharedArrayBuffer => new SharedArrayBuffer(headBytes + answerBytes + textBytes)

export const createMailbox = (memory: SharedArrayBuffer): Mailbox => {
  const head = new Int32Array(memory, 0, headBytes / Int32Array.BYTES_PER_ELEMENT)
  const numbers = new Float64Array(memory, headBytes, answerBytes / Float64Array.BYTES_PER_ELEMENT)
  const text = Buffer.from(memory, headBytes + answerBytes, textBytes)

  return {
    put: (batch) => {
      // A character takes three bytes at most.
      if (3 * batch.length > textBytes) return false
      head[words.bytes] = text.write(batch, 'utf8')
      head[words.characters] = batch.length
      return true
    },
    ring: () => {
      Atomics.add(head, words.bell, 1)
      Atomics.notify(head, words.bell)
    },
    wait: (heard) => {
      Atomics.wait(head, words.bell, heard)
      return Atomics.load(head, words.bell)
    },
    take: () => {
      const bytes = head[words.bytes] as number
      head[words.bytes] = 0
      if (bytes === 0) return undefined
      // As many bytes as characters: nothing but ASCII, which needs no decoding.
      return bytes === head[words.characters] ? text.toString('latin1', 0, bytes) : text.toString('utf8', 0, bytes)
    },
    answer: ({ results, last, walGrown }) => {
      if (results.length > mostAnswers || results.some(({ done }) => done === 'failed')) return false
      numbers[0] = last
      let at = 1
      for (const result of results) {
        numbers[at++] = codes.indexOf(result.done as (typeof codes)[number])
        numbers[at++] = result.done === 'conflict' ? result.actual : 'revision' in result ? result.revision : 0
        numbers[at++] = 'position' in result ? result.position : 0
      }
      head[words.answers] = results.length
      head[words.walGrown] = walGrown ? 1 : 0
      return true
    },
    answered: () => {
      const results: WriteResult[] = []
      for (let at = 1; results.length < (head[words.answers] as number); at += numbersPerAnswer) {
        const done = codes[numbers[at] as number]
        const revision = numbers[at + 1] as number
        if (done === 'conflict') results.push({ done, actual: revision })
        else if (done === 'appended' || done === 'repeated') results.push({ done, revision, position: numbers[at + 2] as number })
        else results.push({ done: 'forgotten' })
      }
      return { results, last: numbers[0] as number, walGrown: head[words.walGrown] === 1 }
    },
  }
}
