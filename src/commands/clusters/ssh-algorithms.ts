import type { Algorithms } from 'ssh2'

/** A list for each purpose, the preferred one first. */
const offered = {
  kex: [
    'curve25519-sha256@libssh.org',
    'curve25519-sha256',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group15-sha512',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group17-sha512',
    'diffie-hellman-group18-sha512',
  ],
  serverHostKey: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
    'chacha20-poly1305@openssh.com',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
} as const satisfies Algorithms

/** What only old hosts need. */
const old = {
  kex: ['diffie-hellman-group-exchange-sha1', 'diffie-hellman-group14-sha1', 'diffie-hellman-group1-sha1'],
  serverHostKey: ['ssh-rsa', 'ssh-dss'],
  cipher: ['aes256-cbc', 'aes192-cbc', 'aes128-cbc', '3des-cbc'],
  hmac: ['hmac-sha1-etm@openssh.com', 'hmac-sha1', 'hmac-md5'],
} as const satisfies Algorithms

/** The names that may be offered besides. */
export const oldAlgorithms: readonly string[] = Object.values(old).flat()

/**
 * What is offered to hosts: the lists of ssh2 less SHA-1 and less compression, whose packets would be unpacked before their size is known; and
 * those of `more`, which are names of `oldAlgorithms`. Source: clusters contract, section 6.1, "Connect".
 */
export const algorithmsWith = (more: readonly string[]): Algorithms => {
  const besides = <Name extends string>(names: readonly Name[]) => names.filter((name) => more.includes(name))
  return {
    kex: [...offered.kex, ...besides(old.kex)],
    serverHostKey: [...offered.serverHostKey, ...besides(old.serverHostKey)],
    cipher: [...offered.cipher, ...besides(old.cipher)],
    hmac: [...offered.hmac, ...besides(old.hmac)],
    compress: ['none'],
  }
}
