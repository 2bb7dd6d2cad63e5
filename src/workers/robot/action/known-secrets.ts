import { type Seal, sealTexts, secretSubject } from '../../../commands/robot/secret-members.ts'
import { textsIn } from '../../../commands/sealing.ts'
import type { JsonValue } from '../../../lib/json.ts'
import { createRedaction } from '../../output/redaction.ts'
import type { WorkContext } from '../../work.ts'

/** The secrets that an attempt has to do with. */
export interface KnownSecrets {
  /** The context that notes what is opened and sealed. */
  readonly context: WorkContext
  sealFor(guid: string): Seal
  /**
   * Seals what the mask of outcomes would change, because a secret stands in it: masked, the data of the service would be lost (a user `admin` with the
   * password `admin`).
   */
  sealHidden<Value extends JsonValue>(value: Value, guid: string): Promise<Value>
}

export const watchSecrets = (context: WorkContext): KnownSecrets => {
  const texts: string[] = []
  const noted = <Value extends JsonValue>(clear: Value): Value => {
    texts.push(...textsIn(clear))
    return clear
  }
  const watching: WorkContext = {
    ...context,
    open: async (sealed) => noted(await context.open(sealed)),
    seal: (subject, value) => context.seal(subject, noted(value)),
  }
  const sealFor =
    (guid: string): Seal =>
    (value) =>
      watching.seal(secretSubject(guid), value)
  return {
    context: watching,
    sealFor,
    sealHidden: (value, guid) => {
      const { json } = createRedaction(texts)
      return texts.length === 0 ? Promise.resolve(value) : sealTexts(value, (text) => json(text) !== text, sealFor(guid))
    },
  }
}
