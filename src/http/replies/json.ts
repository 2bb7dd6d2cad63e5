import type { Reply } from './reply.ts'

/** An answer in JSON. */
export const json = (value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Reply =>
  jsonText(JSON.stringify(value), status, headers)

/** The same from a text that is JSON already. */
export const jsonText = (text: string, status = 200, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { 'Content-Type': 'application/json', ...headers },
  body: text,
})
