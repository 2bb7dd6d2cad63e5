import { lstat, readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { parse } from 'yaml'
import { actionNameRule, TemplateManifest } from '../../../commands/robot/manifest.ts'
import { templateSchema } from '../../../commands/robot/template-schema.ts'
import { isTemplateName } from '../../../commands/robot/template-uid.ts'
import { messageOf } from '../../../lib/errors.ts'
import { isDeeperThan, type JsonObject } from '../../../lib/json.ts'
import { schemaProblems } from '../../../lib/schema-problems.ts'
import { WorkFailed } from '../../work.ts'

const manifestNames = ['template.json', 'template.yaml', 'template.yml']
const mostManifestBytes = 65_536
/** What is nested deeper takes the checks minutes, or more of the stack than there is. */
const deepest = 100
const mostTemplates = 1_000
/** Of all manifests together: the outcome of a clone holds them. */
const mostManifestsBytes = 524_288

/** A template as its folder describes it. */
export interface FoundTemplate {
  readonly name: string
  /** `templates/<folder>`. */
  readonly directory: string
  readonly manifest: TemplateManifest
}

/** What a checkout has. */
export interface FoundTemplates {
  readonly templates: readonly FoundTemplate[]
  /** Folders without a manifest. */
  readonly skipped: readonly string[]
}

/**
 * The templates of a checkout. Throws `WorkFailed`: `no-templates` where there is no folder `templates`, `manifest-invalid` with the file, the key and
 * the reason of the first fault. Source: robot contract, sections 4.3 and 6.1.
 */
export const readTemplates = async (checkout: string): Promise<FoundTemplates> => {
  const folder = join(checkout, 'templates')
  if (!(await isFolder(folder)))
    throw new WorkFailed('no-templates', 'the repository has no folder templates', { retryable: false })
  const templates: FoundTemplate[] = []
  const skipped: string[] = []
  for (const entry of (await readdir(folder)).toSorted()) {
    if (entry === '__pycache__' || !(await isFolder(join(folder, entry)))) continue
    const directory = posix.join('templates', entry)
    const found = await manifestOf(checkout, directory)
    if (found === undefined) skipped.push(directory)
    else templates.push(found)
  }
  const bytes = JSON.stringify(templates).length
  if (templates.length > mostTemplates || bytes > mostManifestsBytes)
    throw invalid('templates', '', `${templates.length} templates with ${bytes} bytes of manifests are too many`)
  return { templates: unique(templates), skipped }
}

const invalid = (file: string, key: string, reason: string): WorkFailed =>
  new WorkFailed('manifest-invalid', `${file}: ${key === '' ? '' : `${key}: `}${reason}`, {
    retryable: false,
    details: { file, key, reason },
  })

/** A link counts as nothing: the folder that it leads to is read under its own name. */
const isFolder = async (path: string): Promise<boolean> => {
  const found = await lstat(path).catch(() => undefined)
  return found?.isDirectory() ?? false
}

const unique = (templates: readonly FoundTemplate[]): readonly FoundTemplate[] => {
  const owners = new Map<string, string>()
  for (const { name, directory, manifest } of templates) {
    const other = owners.get(`${name}/${manifest.version}`)
    if (other !== undefined) throw invalid(directory, 'version', `${other} is the same template with the same version`)
    owners.set(`${name}/${manifest.version}`, directory)
  }
  return templates
}

const manifestOf = async (checkout: string, directory: string): Promise<FoundTemplate | undefined> => {
  const entries = await readdir(join(checkout, directory))
  const [first, ...others] = manifestNames.filter((name) => entries.includes(name))
  if (first === undefined) return undefined
  const file = posix.join(directory, first)
  if (others.length > 0) throw invalid(directory, '', `${[first, ...others].join(' and ')}: a template has one manifest`)
  const name = posix.basename(directory).split('.')[0] ?? ''
  if (!isTemplateName(name)) throw invalid(file, 'name', `"${name}", from the name of the folder, is not letters, digits and _`)
  return { name, directory, manifest: checked(file, name, await documentIn(join(checkout, file), file)) }
}

const documentIn = async (path: string, file: string): Promise<unknown> => {
  const found = await lstat(path)
  if (!found.isFile()) throw invalid(file, '', 'it is not a regular file')
  if (found.size > mostManifestBytes) throw invalid(file, '', `it has more than ${mostManifestBytes} bytes`)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
    return file.endsWith('.json') ? JSON.parse(text) : parse(text, { maxAliasCount: 100, uniqueKeys: false })
  } catch (error) {
    throw invalid(file, '', `it cannot be read: ${messageOf(error)}`)
  }
}

const checked = (file: string, name: string, document: unknown): TemplateManifest => {
  if (isDeeperThan(document, deepest)) throw invalid(file, '', `it is nested deeper than ${deepest} levels`)
  const parsed = TemplateManifest.safeParse(document)
  if (!parsed.success) {
    const [problem] = schemaProblems(parsed.error)
    throw invalid(file, keyOf(problem?.pointer ?? ''), problem?.message ?? 'not a manifest')
  }
  const manifest = parsed.data
  // Zod passes over a member of this name, which is no name of an action either.
  if (Object.hasOwn((document as { readonly actions: object }).actions, '__proto__'))
    throw invalid(file, 'actions.__proto__', actionNameRule)
  if (manifest.name !== undefined && manifest.name !== name)
    throw invalid(file, 'name', `"${manifest.name}" is not "${name}", the name of the folder`)
  for (const [key, schema] of schemasOf(manifest)) checkSchema(file, key, schema)
  if (manifest.schema !== undefined && manifest.schema.type !== 'object')
    throw invalid(file, 'schema.type', 'the schema of the data has the type object')
  for (const [key, run] of programsOf(manifest)) for (const word of run) checkWord(file, key, word)
  for (const [index, action] of (manifest.hooks.delete ?? []).entries())
    if (!Object.hasOwn(manifest.actions, action)) throw invalid(file, `hooks.delete.${index}`, `there is no action ${action}`)
  return manifest
}

const keyOf = (pointer: string): string => pointer.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')

const schemasOf = ({ schema, actions }: TemplateManifest): (readonly [string, NonNullable<TemplateManifest['schema']>])[] => [
  ...(schema === undefined ? [] : [['schema', schema] as const]),
  ...Object.entries(actions).flatMap(([action, { args }]) =>
    Object.entries(args).flatMap(([argument, one]) =>
      one.schema === undefined ? [] : [[`actions.${action}.args.${argument}.schema`, one.schema] as const],
    ),
  ),
]

const programsOf = ({ actions, hooks }: TemplateManifest): (readonly [string, readonly string[]])[] => [
  ...Object.entries(actions).flatMap(([action, { run }]) => (run === undefined ? [] : [[`actions.${action}.run`, run] as const])),
  ...(['validate', 'update_data'] as const).flatMap((hook) => {
    const run = hooks[hook]?.run
    return run === undefined ? [] : [[`hooks.${hook}.run`, run] as const]
  }),
]

const checkSchema = (file: string, key: string, schema: NonNullable<TemplateManifest['schema']>): void => {
  try {
    templateSchema(schema as JsonObject)
  } catch (error) {
    throw invalid(file, key, messageOf(error))
  }
}

const checkWord = (file: string, key: string, word: string): void => {
  if (word.includes('\0')) throw invalid(file, key, 'a word has a NUL character')
  if (word.startsWith('./') && posix.normalize(word).startsWith('..'))
    throw invalid(file, key, `${word} leads out of the folder of the template`)
}
