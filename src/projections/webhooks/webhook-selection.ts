import { type WebhookFilter, webhookCategories } from '../../events/webhook.ts'
import { categoryOf } from '../../stores/event-log.ts'
import type { EventSelection } from '../../stores/event-selection.ts'

const listed = (values: string | readonly string[] | undefined): readonly string[] | undefined =>
  typeof values === 'string' ? [values] : values

/** The events that a webhook delivers: those of its filter, and none of webhooks. */
export const webhookSelection = ({ type, category, stream, correlation, principal }: WebhookFilter): EventSelection => ({
  type: listed(type),
  category: listed(category),
  stream: listed(stream),
  correlation: listed(correlation),
  principal: listed(principal),
  visible: (event) => !webhookCategories.includes(categoryOf(event.stream)),
})
