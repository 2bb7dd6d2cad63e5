import { afterEach, describe, expect, test } from 'vitest'
import { newId } from '../../src/lib/ids.ts'
import type { Leadership } from '../../src/stores/leadership.ts'

/** What every leadership promises to one candidate. */
export const leadershipContract = (name: string, open: () => Promise<Leadership>): void => {
  describe(`${name} as leadership`, () => {
    const ends: AbortController[] = []
    afterEach(() => {
      for (const end of ends.splice(0)) end.abort()
    })
    const stopping = (): AbortController => {
      const end = new AbortController()
      ends.push(end)
      return end
    }
    const aborted = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        if (signal.aborted) resolve()
        else signal.addEventListener('abort', () => resolve(), { once: true })
      })

    test('the only candidate leads until it is told to stop, and has ended when the campaign has', async () => {
      const leadership = await open()
      const end = stopping()
      const began = Promise.withResolvers<void>()
      const steps: string[] = []
      const campaign = leadership.campaign({
        office: newId(),
        signal: end.signal,
        lead: async (signal) => {
          steps.push('leads')
          began.resolve()
          await aborted(signal)
          steps.push('stops')
          await new Promise(setImmediate)
          steps.push('ended')
        },
      })
      await began.promise
      end.abort()
      await campaign
      expect(steps).toEqual(['leads', 'stops', 'ended'])
    })

    test('a lead that ends by itself ends the campaign, and the office is free', async () => {
      const leadership = await open()
      const office = newId()
      let led = 0
      const campaign = () =>
        leadership.campaign({
          office,
          signal: stopping().signal,
          lead: async () => {
            led += 1
          },
        })
      await campaign()
      await campaign()
      expect(led).toBe(2)
    })

    test('what the lead throws, the campaign throws', async () => {
      const leadership = await open()
      const lead = async (): Promise<void> => {
        throw new Error('no way to lead')
      }
      await expect(leadership.campaign({ office: newId(), signal: stopping().signal, lead })).rejects.toThrow('no way to lead')
    })

    test('a campaign that is over before it begins leads nobody', async () => {
      const leadership = await open()
      let led = false
      const lead = async (): Promise<void> => {
        led = true
      }
      await leadership.campaign({ office: newId(), signal: AbortSignal.abort(), lead })
      expect(led).toBe(false)
    })

    test('offices are apart', async () => {
      const leadership = await open()
      const end = stopping()
      const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      const campaigns = both.map(({ resolve }) =>
        leadership.campaign({
          office: newId(),
          signal: end.signal,
          lead: (signal) => {
            resolve()
            return aborted(signal)
          },
        }),
      )
      await Promise.all(both.map(({ promise }) => promise))
      end.abort()
      await Promise.all(campaigns)
    })
  })
}
