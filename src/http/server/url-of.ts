/** Hosts that stand for every address of the machine: nobody can send a request to them by that name. */
const wildcards: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/** The URL at which what listens on an address can be reached from the same machine. */
export const urlOf = (
  { host, port }: { readonly host: string; readonly port: number },
  scheme: 'http' | 'https' = 'http',
): string => {
  const name = wildcards[host] ?? host
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`
}
