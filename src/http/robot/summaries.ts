import type { serviceEvents } from '../../events/robot/service.ts'
import type { serviceNameEvents } from '../../events/robot/service-name.ts'
import type { webHookEvents } from '../../events/robot/web-hook.ts'
import type { SummariesOf } from '../replies/event-summary.ts'

type RobotSummaries = SummariesOf<typeof serviceEvents> &
  SummariesOf<typeof serviceNameEvents> &
  SummariesOf<typeof webHookEvents>

/** What the events of robot services say. */
export const robotSummaries: RobotSummaries = {
  ServiceCreated: ({ name, templateUid }) => `the service ${name} of the template ${templateUid} was created`,
  ServiceUpgraded: ({ templateUid }) => `the service was upgraded to the template ${templateUid}`,
  ServiceDeleted: () => 'the service was deleted',
  NameClaimed: ({ guid, templateUid }) => `the name was claimed for the service ${guid} of the template ${templateUid}`,
  NameReleased: ({ guid }) => `the name was released by the service ${guid}`,
  WebHookAdded: ({ url }) => `the address ${url} was added, which is told of failed tasks`,
  WebHookDeleted: () => 'the address is no longer told of failed tasks',
}
