import { STATUS_CODES } from 'node:http'
import { type Answers, answerTo } from '../replies/answers.ts'
import type { Reply } from '../replies/reply.ts'

/** Says what the body does not; one switch of the server removes it with the other additional headers. */
export const reasonHeader = 'X-Intendant-Error'

/** The reason phrase of the status alone, as clients know it. Source: clusters contract, section 1, "Error body". */
export const clustersError = (status: number, reason: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { 'Content-Type': 'text/html', [reasonHeader]: headerText(reason), ...headers },
  body: STATUS_CODES[status] ?? '',
})

export const notFound = (reason: string): Reply => clustersError(404, reason)

/** What refusals are answered with. Source: clusters contract, section 4. */
export type ClustersAnswers<Refusal extends { readonly reason: string }, Asked = void> = Answers<Refusal, Reply, Asked>

/** The answer of the table to a refusal of a command that pinned no revision. */
export const refusal = <Refusal extends { readonly reason: string }, Asked = void>(
  answers: ClustersAnswers<Refusal, Asked>,
  refused: Refusal | { readonly reason: 'version-mismatch' },
  asked: Asked,
): Reply => {
  if (refused.reason === 'version-mismatch') throw new Error('a revision was pinned')
  return answerTo(answers, refused as Refusal, asked)
}

const longest = 1_000

/** Reasons name what a request names, which may be anything. */
const headerText = (text: string): string =>
  text
    .slice(0, longest)
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .trim()
