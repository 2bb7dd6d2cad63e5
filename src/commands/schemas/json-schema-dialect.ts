import { isObject } from '../../lib/json.ts'

/** The only dialect of JSON Schema whose words are understood. */
export const knownDialect = 'https://json-schema.org/draft/2020-12/schema'

/** What `$schema` names where that is another dialect: its words would be taken for what they do not mean. */
export const otherDialect = (schema: unknown): unknown => {
  const dialect = isObject(schema) ? schema.$schema : undefined
  return typeof dialect === 'string' && dialect.replace(/#$/, '') === knownDialect ? undefined : dialect
}
