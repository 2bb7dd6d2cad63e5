import type { Work } from './work.ts'

/**
 * For kinds whose operations start whatever else runs, because somebody waits for them or slots that others hold may be just what they are to free:
 * at most `mostAtATime` of them in one process. One too many is rung for again.
 */
export const atOnce = (mostAtATime: number) => {
  const running = new Set<string>()
  let start: ((operationId: string) => Promise<boolean>) | undefined
  const scheduler: NonNullable<Work['scheduler']> = {
    attach: (given) => {
      start = given
    },
    wake: (id) => {
      if (running.size < mostAtATime) start?.(id).catch(() => undefined)
    },
  }
  const during = async <Result>(id: string, work: () => Promise<Result>): Promise<Result> => {
    running.add(id)
    try {
      return await work()
    } finally {
      running.delete(id)
    }
  }
  return { scheduler, during }
}
