import { expect, test } from 'vitest'
import { createTargets } from '../../../src/workers/outbound/address-guard.ts'

const standing = (address: string): string => {
  const refused = (allowLinkLocal: boolean, allowPrivate: boolean) =>
    createTargets({ allowLinkLocal, allowPrivate }).refusal(address) !== null
  if (!refused(false, false)) return 'public'
  if (!refused(false, true)) return 'private'
  return refused(true, false) ? 'never' : 'link-local'
}

test.each([
  ['93.184.216.34', 'public'],
  ['2606:2800:220:1:248:1893:25c8:1946', 'public'],
  ['127.0.0.1', 'private'],
  ['127.8.9.1', 'private'],
  ['::1', 'private'],
  ['0.0.0.0', 'private'],
  ['::', 'private'],
  ['10.1.2.3', 'private'],
  ['172.31.0.1', 'private'],
  ['192.168.1.1', 'private'],
  ['100.64.0.1', 'private'],
  ['fd00::1', 'private'],
  ['224.0.0.1', 'private'],
  ['255.255.255.255', 'private'],
  ['169.254.0.1', 'link-local'],
  ['169.254.169.254', 'link-local'],
  ['fe80::1', 'link-local'],
  ['fe80::1%eth0', 'link-local'],
  ['fd00:ec2::254', 'link-local'],
  ['100.100.100.200', 'link-local'],
  ['::ffff:127.0.0.1', 'private'],
  ['::ffff:169.254.169.254', 'link-local'],
  ['::ffff:a9fe:a9fe', 'link-local'],
  ['::169.254.169.254', 'link-local'],
  ['64:ff9b::a9fe:a9fe', 'link-local'],
  ['2002:a9fe:a9fe::', 'link-local'],
  ['2002:7f00:1::', 'private'],
  ['::ffff:8.8.8.8', 'public'],
  ['64:ff9b::8.8.8.8', 'public'],
  ['[::1]', 'private'],
  ['example.com', 'never'],
  ['', 'never'],
])('%s is %s', (address, expected) => {
  expect(standing(address)).toBe(expected)
})
