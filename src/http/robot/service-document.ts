import { z } from 'zod'
import type { ServiceState } from '../../commands/robot/service-data.ts'
import { parseTemplateReference, type TemplateUid } from '../../commands/robot/template-uid.ts'

/** Source: robot contract, section 7, "Other bodies". */
export const ServiceDocument = z
  .object({
    template: z.string(),
    version: z.string(),
    guid: z.string(),
    name: z.string(),
    state: z.array(z.object({ category: z.string(), tag: z.string(), state: z.string() })),
    public: z.boolean(),
    actions: z.array(z.never()),
  })
  .meta({
    id: 'RobotService',
    example: {
      template: 'git.example.org/acme/templates/vm/1.0.0',
      version: '1.0.0',
      guid: '019ab2c4-5b3e-7c1a-9d2f-3e4a5b6c7d8e',
      name: 'web1',
      state: [{ category: 'service', tag: 'start', state: 'ok' }],
      public: false,
      actions: [],
    },
  })

/** A service as its clients see it: never with its data. */
export const serviceDocument = ({
  guid,
  name,
  templateUid,
  state,
  public: isPublic,
}: {
  readonly guid: string
  readonly name: string
  readonly templateUid: string
  readonly state: readonly ServiceState[]
  readonly public: boolean
}): z.infer<typeof ServiceDocument> => ({
  template: templateUid,
  version: (parseTemplateReference(templateUid) as TemplateUid).version,
  guid,
  name,
  state: state.map(({ category, tag, state: word }) => ({ category, tag, state: word })),
  public: isPublic,
  actions: [],
})
