/**
 * How a domain is written where rules are compared: case and a trailing dot mean nothing, so `Example.com`,
 * `example.com.` and `example.com` are one. Source: crawling contract, section 6.2.
 */
export const ruleDomain = (domain: string): string => domain.toLowerCase().replace(/\.$/, '')
