import { z } from 'zod'
import type { ServiceState } from '../../commands/robot/service-data.ts'
import { parseTemplateReference, type TemplateUid } from '../../commands/robot/template-uid.ts'
import { masked, sealingSubject } from '../../events/sealed.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { Caller } from './callers.ts'
import type { RobotTools } from './tools.ts'

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

/** Of later clients. Source: robot contract, section 8. */
export const CreatedServiceDocument = ServiceDocument.extend({ secret: z.string() }).meta({ id: 'RobotServiceCreated' })

interface ShownService {
  readonly guid: string
  readonly name: string
  readonly templateUid: string
  readonly state: readonly ServiceState[]
  readonly public: boolean
  /** Secret members are sealed. */
  readonly data: JsonObject
}

type Shown = z.infer<typeof ServiceDocument> & { readonly data?: JsonValue }

/** A service as its clients see it: holders of the god token alone see its data. */
export const serviceDocument = (
  { guid, name, templateUid, state, public: isPublic, data }: ShownService,
  { isGod }: Pick<Caller, 'isGod'>,
): Shown => ({
  template: templateUid,
  version: (parseTemplateReference(templateUid) as TemplateUid).version,
  guid,
  name,
  state: state.map(({ category, tag, state: word }) => ({ category, tag, state: word })),
  public: isPublic,
  actions: [],
  ...(isGod ? { data: masked(data) } : {}),
})

/**
 * A service as whoever created it is answered: later clients get its secret. An answer with a secret is kept for repetition only when it is
 * sealed for `sealedFor`.
 */
export const createdDocument = async (
  service: ShownService,
  caller: Pick<Caller, 'isGod'>,
  { mount, secrets }: Pick<RobotTools, 'mount' | 'secrets'>,
): Promise<{ readonly document: Shown & { readonly secret?: string }; readonly sealedFor?: string }> => {
  const document = serviceDocument(service, caller)
  if (mount.profile === 'seed') return { document }
  return { document: { ...document, secret: await secrets.secretOf(service.guid) }, sealedFor: sealingSubject(service.guid) }
}
