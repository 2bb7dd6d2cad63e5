import type { Readable } from 'node:stream'
import { type StandardStream, standardStreams } from '../../events/output.ts'
import type { OutputWriter } from './output-writer.ts'
import type { Redaction } from './redaction.ts'

/** What a work is handed to print with: secrets are masked, also where one is split over two calls or two chunks. */
export interface WorkOutput {
  /** Appends to the output, in order. Resolves when it may be given more. */
  output(text: string, stream?: StandardStream): Promise<void>
  /**
   * Appends the bytes of `source`, which are UTF-8: a character may be split over chunks, and U+FFFD stands for what is no UTF-8. The source is read as fast as
   * output is recorded. Past the cap its bytes are read and dropped. Resolves when the source has ended or was destroyed, and rejects with its error;
   * what came before is appended then. `seen` is told the whole text as it would be appended, past the cap too.
   */
  pipe(source: Readable, stream: StandardStream, seen?: (text: string) => void): Promise<void>
  /** Appends what was held back because a secret might have begun there. */
  end(): Promise<void>
}

export const createWorkOutput = (writer: OutputWriter, redact: Redaction): WorkOutput => {
  const shown = { stdout: redact.stream(), stderr: redact.stream() }
  return {
    output: (text, stream = 'stdout') => writer.write(shown[stream].push(text), stream),
    pipe: async (source, stream, seen) => {
      // Of its own: the pieces of two sources that are read side by side are not one text.
      const masked = redact.stream()
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
      const show = (text: string): Promise<void> => {
        seen?.(text)
        return writer.write(text, stream)
      }
      try {
        for await (const chunk of source as AsyncIterable<Uint8Array | string>) {
          if (!writer.accepts() && seen === undefined) continue
          const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
          await show(masked.push(text))
        }
      } catch (error) {
        if (!isPrematureClose(error)) throw error
      } finally {
        await show(masked.push(decoder.decode()) + masked.end())
      }
    },
    end: async () => {
      for (const stream of standardStreams) await writer.write(shown[stream].end(), stream)
    },
  }
}

/** The source was destroyed without an error: whoever did it wants no more of it. */
const isPrematureClose = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE'
