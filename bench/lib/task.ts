import { fork } from 'node:child_process'
import { once } from 'node:events'

/** Runs a module of this kind in a process of its own: it is handed `input` and answers once. */
export const runTask = async <Output>(module: URL, input: unknown): Promise<Output> => {
  const child = fork(module, { serialization: 'advanced' })
  const gone = once(child, 'exit')
  const answered = once(child, 'message') as Promise<[{ readonly output: Output } | { readonly error: string }]>
  child.send(input as object)
  const [answer] = await Promise.race([
    answered,
    gone.then(([code, signal]) => {
      throw new Error(`${module.pathname} ended (${signal ?? code})`)
    }),
  ])
  child.disconnect()
  await gone
  if ('error' in answer) throw new Error(`${module.pathname}: ${answer.error}`)
  return answer.output
}

/** The other side: to be called by the module, once. */
export const answerTask = <Input, Output>(answer: (input: Input) => Promise<Output>): void => {
  process.once('message', (input: Input) => {
    answer(input).then(
      (output) => process.send?.({ output }),
      (error: Error) => process.send?.({ error: error.stack ?? error.message }),
    )
  })
}
