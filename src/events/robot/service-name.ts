import { z } from 'zod'
import { defineEvents, type EventOf } from '../define.ts'

/** Who holds a name of services, stream `robotName-<sha256 of the name>`. A service holds it under its template. Source: robot contract, "Events". */
export const serviceNameEvents = defineEvents('robotName', {
  NameClaimed: z.object({ templateUid: z.string(), guid: z.string() }),
  NameReleased: z.object({ guid: z.string() }),
})
export type ServiceNameEvent = EventOf<typeof serviceNameEvents>
