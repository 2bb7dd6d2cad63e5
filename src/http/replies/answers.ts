interface AnyRefusal {
  readonly reason: string
}

type With<Refusal, Reason> = Refusal extends { readonly reason: infer Own } ? (Reason extends Own ? Refusal : never) : never

/**
 * What each reason of a refusal is answered with, in the words of one face: the answer itself (status and text, a problem), or what makes
 * it of the refusal. The compiler demands every reason, and knows no other. `Asked` is what the answers need of the request.
 */
export type Answers<Refusal extends AnyRefusal, Answer, Asked = void> = {
  readonly [Reason in Refusal['reason']]: Answer | ((refused: With<Refusal, Reason>, asked: Asked) => Answer)
}

/** The answer of the table to a refusal. */
export const answerTo = <Refusal extends AnyRefusal, Answer, Asked = void>(
  answers: Answers<Refusal, Answer, Asked>,
  refused: Refusal,
  asked: Asked,
): Answer => {
  const answer = answers[refused.reason as keyof typeof answers]
  return typeof answer === 'function'
    ? (answer as (refused: Refusal, asked: Asked) => Answer)(refused, asked)
    : (answer as Answer)
}
