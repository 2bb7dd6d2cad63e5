import { masked } from '../../events/sealed.ts'
import type { JsonValue } from '../../lib/json.ts'

const isSealedIn = (text: string): boolean => text.includes('"$sealed"')

/** JSON as it may be shown: without sealed values. */
export const shown = (text: string): JsonValue => (isSealedIn(text) ? masked(JSON.parse(text)) : JSON.parse(text))

/** The same as text. */
export const shownText = (text: string): string => (isSealedIn(text) ? JSON.stringify(shown(text)) : text)
