import { expect, test } from 'vitest'
import { robotSettings } from '../../../src/commands/robot/settings.ts'

test.each([{ ROBOT_PROXY: 'http://proxy:3128' }, { http_proxy: 'http://proxy:3128', https_proxy: 'http://proxy:3128' }])(
  'this machine is reached without a proxy: %j',
  (environment) => {
    const { proxyFor } = robotSettings(environment, '/data/robot')
    for (const url of ['http://127.0.0.1:80/a', 'https://localhost/a', 'http://[::1]/a', 'http://git.localhost/a'])
      expect(proxyFor(new URL(url)), url).toBeUndefined()
    expect(proxyFor(new URL('https://git.example.org/a'))).toEqual({ origin: 'http://proxy:3128' })
  },
)
