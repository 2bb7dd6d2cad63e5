/** The address that a fed `url` means: `http://` stands before one that has no colon at all. Source: crawling contract, section 6.2. */
export const seedUrl = (url: string): string => (url.includes(':') ? url : `http://${url}`)
