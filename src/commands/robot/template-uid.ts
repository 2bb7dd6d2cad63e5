/** What names a loaded template; printed as `host/account/repository/name/version`. */
export interface TemplateUid {
  readonly host: string
  readonly account: string
  readonly repository: string
  readonly name: string
  readonly version: string
}

/** What a request names a template by: all five parts, those without the version, `name/version`, or the name. */
export type TemplateReference =
  | TemplateUid
  | (Omit<TemplateUid, 'version'> & { readonly version?: undefined })
  | { readonly host?: undefined; readonly name: string; readonly version?: string }

const namePattern = /^[\p{L}\p{N}_]+$/u
const versionPattern = /^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.-]+)?$/
const longestUid = 1_000

export const isTemplateName = (text: string): boolean => namePattern.test(text)
export const isTemplateVersion = (text: string): boolean => versionPattern.test(text)

/** Undefined for what is malformed. Source: robot contract, section 4.1. */
export const parseTemplateReference = (text: string): TemplateReference | undefined => {
  if (text.length > longestUid) return undefined
  const parts = text.replace(/^\/+|\/+$/g, '').split('/')
  if (parts.includes('')) return undefined
  const [first = '', second = '', third = '', fourth = '', version = ''] = parts
  switch (parts.length) {
    case 1:
      return isTemplateName(first) ? { name: first } : undefined
    case 2:
      return isTemplateName(first) && isTemplateVersion(second) ? { name: first, version: second } : undefined
    case 4:
      return isTemplateName(fourth) ? { host: first, account: second, repository: third, name: fourth } : undefined
    case 5:
      return isTemplateName(fourth) && isTemplateVersion(version)
        ? { host: first, account: second, repository: third, name: fourth, version }
        : undefined
    default:
      return undefined
  }
}

export const printTemplateUid = ({ host, account, repository, name, version }: TemplateUid): string =>
  [host, account, repository, name, version].join('/')

/**
 * Negative where `a` is older. By SemVer precedence, build parts ignored, then as text; for versions that `isTemplateVersion` takes.
 * Source: Semantic Versioning 2.0.0, section 11.
 */
export const compareTemplateVersions = (a: string, b: string): number => {
  const one = versionParts(a)
  const other = versionParts(b)
  return (
    firstDifference(one.core, other.core) ||
    Number(one.pre === undefined) - Number(other.pre === undefined) ||
    firstDifference(one.pre ?? [], other.pre ?? []) ||
    byText(a, b)
  )
}

const versionParts = (version: string): { readonly core: readonly string[]; readonly pre: readonly string[] | undefined } => {
  const [, core = '', mark, rest = ''] = /^([\d.]+)([-+])?(.*)$/.exec(version) ?? []
  return { core: core.split('.'), pre: mark === '-' ? rest.split('.') : undefined }
}

const firstDifference = (a: readonly string[], b: readonly string[]): number => {
  const length = Math.min(a.length, b.length)
  for (let n = 0; n < length; n++) {
    const difference = compareIdentifiers(a[n] ?? '', b[n] ?? '')
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Numbers before texts; numbers of any length by their value. */
const compareIdentifiers = (a: string, b: string): number => {
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (aIsNumber && bIsNumber) {
    const difference = BigInt(a) - BigInt(b)
    return difference === 0n ? 0 : difference < 0n ? -1 : 1
  }
  return aIsNumber === bIsNumber ? byText(a, b) : aIsNumber ? -1 : 1
}

const byText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)
