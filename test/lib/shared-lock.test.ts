import { expect, test } from 'vitest'
import { createSharedLock } from '../../src/lib/shared-lock.ts'

/** Works that begin when they are let, and end when they are told. */
const works = () => {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const work = (name: string) => (): Promise<string> => {
    begun.push(name)
    return new Promise((resolve) => ends.set(name, () => resolve(name)))
  }
  return { begun, work, end: (name: string) => ends.get(name)?.() }
}

test('works run beside each other, and one that is alone waits for them and holds back others', async () => {
  const { begun, work, end } = works()
  const lock = createSharedLock()
  const first = lock.shared(work('first'))
  const second = lock.shared(work('second'))
  const alone = [lock.alone(work('alone')), lock.alone(work('alone too'))]
  const third = lock.shared(work('third'))
  expect(begun).toEqual(['first', 'second'])
  end('first')
  await first
  expect(begun).toEqual(['first', 'second'])
  end('second')
  await second
  await expect.poll(() => begun).toEqual(['first', 'second', 'alone'])
  end('alone')
  await expect.poll(() => begun).toEqual(['first', 'second', 'alone', 'alone too'])
  end('alone too')
  await expect.poll(() => begun.at(-1)).toBe('third')
  end('third')
  expect(await Promise.all([...alone, third])).toEqual(['alone', 'alone too', 'third'])
})

test('a work that fails lets the others go on', async () => {
  const lock = createSharedLock()
  const fail = async (): Promise<never> => {
    throw new Error('no')
  }
  await expect(lock.alone(fail)).rejects.toThrow('no')
  const failing = lock.shared(fail).catch(() => 'failed')
  expect(await lock.alone(async () => 'alone')).toBe('alone')
  expect(await failing).toBe('failed')
  expect(await lock.shared(async () => 'shared')).toBe('shared')
})
