import type { Leadership } from '../leadership.ts'

/** One process alone holds every office. */
export const createLocalLeadership = (): Leadership => ({
  campaign: async ({ signal, lead }) => {
    if (!signal.aborted) await lead(signal)
  },
})
