import { generateKeyPairSync } from 'node:crypto'
import ssh2 from 'ssh2'
import { expect, test } from 'vitest'
import { readPrivateKey } from '../../../../src/workers/clusters/ssh/private-key.ts'

/** As ssh-keygen writes them, without and with a passphrase. */
const openSshKey = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDaZ/wy6My3X2mnHoEhBYkLjw2Y3UpcXQgiGAeacA6kSgAAAIjJ2nwMydp8
DAAAAAtzc2gtZWQyNTUxOQAAACDaZ/wy6My3X2mnHoEhBYkLjw2Y3UpcXQgiGAeacA6kSg
AAAECICTft+cuv2QILh6aGCeGAuAmLyKTXBU/qhvfpNuE9Tdpn/DLozLdfaacegSEFiQuP
DZjdSlxdCCIYB5pwDqRKAAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
`
const lockedKey = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABC/VHGM33
NiSBdzAh8zHTxwAAAAAQAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIBYMp3ZlNhgsR7gQ
s6nSEDdV9yctUzLTx5XMAL3rmY/HAAAAkEFElxXH2bTvvUQYT4I5VMDmvqaGcidWWp+omw
iqSauys8vlb8DandPUua8i1TYKvyaPS9H13nutNNq7ncdPYCRiSsxSTd4yNmMlTYVc4s6A
TZdW3lHQwVR8NT+auGn8Xie74QjhGnZoXwv5KjUtpV9Ni8ysPjNouukyzvddE83lJhdgEK
ZhbKkBEabLl7T4fQ==
-----END OPENSSH PRIVATE KEY-----
`
const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINpn/DLozLdfaacegSEFiQuPDZjdSlxdCCIYB5pwDqRK test'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

test.each([
  ['of OpenSSH, Ed25519', openSshKey, 'ssh-ed25519'],
  ['of OpenSSH, RSA', ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 }).private, 'ssh-rsa'],
  ['of OpenSSH, ECDSA', ssh2.utils.generateKeyPairSync('ecdsa', { bits: 384 }).private, 'ecdsa-sha2-nistp384'],
  [
    'PEM, RSA',
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' }),
    'ssh-rsa',
  ],
  [
    'PKCS #8, RSA',
    generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'ssh-rsa',
  ],
  [
    'PKCS #8, ECDSA',
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'ecdsa-sha2-nistp256',
  ],
])('a key %s', (_form, key, type) => {
  expect(readPrivateKey(base64(key.toString())).type).toBe(type)
})

test.each([
  ['no key', ''],
  ['no base64', '!!!'],
  ['no key in base64', base64('a text')],
  ['a public key', base64(publicKey)],
  ['one with a passphrase', base64(lockedKey)],
  ['half of one', base64(openSshKey.slice(0, 200))],
])('is unreadable: %s', (_what, key) => {
  expect(() => readPrivateKey(key)).toThrow(expect.objectContaining({ name: 'SshFailed', reason: 'key-unreadable' }))
})
