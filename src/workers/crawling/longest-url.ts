/** Longest address of a link in characters; the original's own limit. */
export const longestUrl = 2083
