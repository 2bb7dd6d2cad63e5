/** The spiders that this program brings along. */
export const spiders = ['link'] as const
