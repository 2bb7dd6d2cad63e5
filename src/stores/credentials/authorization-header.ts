/** What a client sends to prove who it is. */
export type SentCredentials =
  | { readonly scheme: 'bearer'; readonly token: string }
  /** The user's name ends at the first colon. */
  | { readonly scheme: 'basic'; readonly user: string; readonly password: string }

/** What an `Authorization` header holds; undefined for every other one. */
export const sentCredentials = (header: string | undefined): SentCredentials | undefined => {
  const [, scheme, proof] = /^(bearer|basic) +([^ ]+) *$/i.exec(header ?? '') ?? []
  if (scheme === undefined || proof === undefined) return undefined
  if (scheme.toLowerCase() === 'bearer') return { scheme: 'bearer', token: proof }
  const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(proof, 'base64').toString('utf8')) ?? []
  return user === undefined || password === undefined ? undefined : { scheme: 'basic', user, password }
}
