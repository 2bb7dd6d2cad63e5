/** Streams of wrapped keys: the only ones that can be forgotten. */
export const isKeyStream = (stream: string): boolean => stream.startsWith('key-')

/** Streams whose events no listing and no subscription shows: keys, who leads and who lives, and what the log server keeps itself. */
export const isHidden = (stream: string): boolean => isKeyStream(stream) || stream.startsWith('lease-') || stream.startsWith('$')
