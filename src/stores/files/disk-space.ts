import { statfs } from 'node:fs/promises'

/** With less than this nothing can be appended for long. */
const leastBytes = 1024 * 1024

/** Rejects where the disk of a directory is full. */
export const checkDiskSpace = async (directory: string): Promise<void> => {
  const { bavail, bsize } = await statfs(directory)
  if (bavail * bsize < leastBytes) throw new Error(`the disk of ${directory} is full: ${bavail * bsize} bytes are left`)
}
