/** The address of a template repository. */
export interface GitUrl {
  /** What git is given: without the fragment, with the user info that was sent, the protocol in lower case. A secret where `userInfo` is there. */
  readonly remote: string
  /** The remote without user info and `.git`, its host in lower case: the same repository has the same one. */
  readonly key: string
  /** Without user info and port. */
  readonly host: string
  readonly account: string
  readonly repository: string
  /** `user:password` of an http address. */
  readonly userInfo: string | undefined
  /** The branch that the fragment names. */
  readonly branch: string | undefined
}

const longestUrl = 2_000
/** No segment is an option, a parent folder or empty. */
const segment = '(?!\\.{1,2}(?:/|$))(?!-)[A-Za-z0-9._~+-]+'
const path = `(?<account>${segment})/(?<repository>${segment})`
const port = '(?::(?<port>\\d{1,5}))?'
const hostName = '(?!-)[A-Za-z0-9.-]+'

const http = new RegExp(
  `^(?<protocol>https?)://(?:(?<userInfo>[^/@?#\\s]*)@)?(?<host>${hostName}|\\[[0-9A-Fa-f:.]+\\])${port}/${path}/?$`,
  'i',
)
const ssh = new RegExp(`^(?<protocol>ssh)://(?<userInfo>git)@(?<host>${hostName}|\\[[0-9A-Fa-f:.]+\\])${port}/${path}/?$`, 'i')
const scp = new RegExp(`^(?<userInfo>git)@(?<host>${hostName})[:/]${path}/?$`)

/**
 * Undefined for what is no address of a repository over http, https or ssh: local paths and other transports are refused, and so is whatever git
 * could take for an option. Source: robot contract, section 4.2.
 */
export const parseGitUrl = (text: string): GitUrl | undefined => {
  if (text.length > longestUrl) return undefined
  const hash = text.indexOf('#')
  const address = hash < 0 ? text : text.slice(0, hash)
  const branch = hash < 0 ? undefined : text.slice(hash + 1)
  if (branch !== undefined && !isRevisionName(branch)) return undefined
  const found = http.exec(address) ?? ssh.exec(address) ?? scp.exec(address)
  const { protocol = 'ssh', userInfo, host = '', port, account = '', repository: named = '' } = found?.groups ?? {}
  const repository = named.replace(/\.git$/, '')
  if (found === null || repository === '' || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return undefined
  const isHttp = protocol.toLowerCase() !== 'ssh'
  const authority = `${host.toLowerCase()}${port === undefined ? '' : `:${Number(port)}`}`
  return {
    // git takes the short form for a local path where a slash follows the host, and knows protocols in lower case only.
    remote:
      'protocol' in (found.groups ?? {})
        ? `${protocol.toLowerCase()}${address.slice(protocol.length)}`
        : `git@${host}:${account}/${named}`,
    key: `${protocol.toLowerCase()}://${isHttp ? '' : 'git@'}${authority}/${account}/${repository}`,
    host: host.toLowerCase(),
    account,
    repository,
    userInfo: isHttp && userInfo !== undefined && userInfo !== '' ? userInfo : undefined,
    branch,
  }
}

/** Whether git may be given this as the name of a branch, tag or commit: no option, no range, no revision expression. Source: git-check-ref-format. */
export const isRevisionName = (text: string): boolean =>
  text.length <= 250 &&
  /^(?![-./])[^\s~^:?*[\\\p{Cc}]+$/u.test(text) &&
  !/\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|[./]$/.test(text) &&
  text !== '@'
