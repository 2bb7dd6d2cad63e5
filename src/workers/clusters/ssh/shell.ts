/** A text as one word of a shell command, whatever it holds. */
export const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** The command as root executes it. Source: clusters contract, section 6.1, "Root". */
export const asRoot = (user: string, command: string): string =>
  user === 'root' ? command : `sudo -n -H -u root -- /bin/sh -c ${quoted(command)}`

/** Writes its standard input to a file. */
export const writeTo = (path: string): string => `cat > ${quoted(path)}`
