import { afterAll, expect } from 'vitest'

/** What Node warns of in a process's stderr. */
export const warningsIn = (output: string): readonly string[] =>
  [...output.matchAll(/^\(node:\d+\) (?:\[\w+\] )?(\w*Warning: .*)$/gm)].map(([, warning = '']) => warning)

/** What Node warned of in this process, a file of tests, until it ends. */
const heard: string[] = []
process.on('warning', ({ name, message, stack }) => heard.push(stack ?? `${name}: ${message}`))

afterAll(() => expect(heard, 'Node warned of something').toEqual([]))
