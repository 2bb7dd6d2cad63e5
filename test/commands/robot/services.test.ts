import { describe, expect, test } from 'vitest'
import { service } from '../../../src/commands/robot/service.ts'
import { serviceName } from '../../../src/commands/robot/service-name.ts'
import { webHook } from '../../../src/commands/robot/web-hook.ts'
import type { ServiceEvent } from '../../../src/events/robot/service.ts'
import type { ServiceNameEvent } from '../../../src/events/robot/service-name.ts'
import type { WebHookEvent } from '../../../src/events/robot/web-hook.ts'
import { given } from '../../given.ts'

const guid = 'g1'
const data = { name: 'n', templateUid: 'h/a/r/t/1.0.0', commit: 'c1', data: {}, public: false, origin: 'api' } as const
const created: ServiceEvent = { type: 'ServiceCreated', data }
const upgraded: ServiceEvent = { type: 'ServiceUpgraded', data: { templateUid: 'h/a/r/t/1.1.0', commit: 'c2' } }
const deleted: ServiceEvent = { type: 'ServiceDeleted', data: {} }

describe('a service', () => {
  const create = { type: 'CreateService', guid, service: data } as const
  const upgrade = { type: 'UpgradeService', guid, templateUid: 'h/a/r/t/1.1.0', commit: 'c2' } as const
  const remove = { type: 'DeleteService', guid } as const
  test('is created once', () => {
    given(service).when(create).then([created])
    given(service, [created]).when(create).then([])
    given(service, [created, deleted]).when(create).then([])
  })
  test('is upgraded to another version or commit', () => {
    given(service, [created]).when(upgrade).then([upgraded])
    given(service, [created, upgraded]).when(upgrade).then([])
    expect(given(service, [created, upgraded]).state()).toMatchObject({ templateUid: 'h/a/r/t/1.1.0', commit: 'c2', name: 'n' })
  })
  test('is not upgraded where it is not there', () => {
    given(service)
      .when(upgrade)
      .then({ refused: { reason: 'unknown-service' } })
    given(service, [created, deleted])
      .when(upgrade)
      .then({ refused: { reason: 'unknown-service' } })
  })
  test('is deleted once', () => {
    given(service, [created]).when(remove).then([deleted])
    given(service, [created, deleted]).when(remove).then([])
    given(service).when(remove).then([])
  })
})

describe('a name', () => {
  const claimed = (holder: string, templateUid = 'one'): ServiceNameEvent => ({
    type: 'NameClaimed',
    data: { templateUid, guid: holder },
  })
  const claim = (holder: string, templateUid = 'one', scope: 'alone' | 'template' = 'alone') =>
    ({ type: 'ClaimName', name: 'n', guid: holder, templateUid, scope }) as const
  test('is held by one alone', () => {
    given(serviceName)
      .when(claim('a'))
      .then([claimed('a')])
    given(serviceName, [claimed('a')])
      .when(claim('b', 'two'))
      .then({ refused: { reason: 'name-taken', holder: 'a' } })
  })
  test('or by one of each template', () => {
    given(serviceName, [claimed('a')])
      .when(claim('b', 'two', 'template'))
      .then([claimed('b', 'two')])
    given(serviceName, [claimed('a')])
      .when(claim('b', 'one', 'template'))
      .then({ refused: { reason: 'name-taken', holder: 'a' } })
  })
  test('goes with its service to another template', () => {
    given(serviceName, [claimed('a')])
      .when(claim('a', 'two'))
      .then([claimed('a', 'two')])
    given(serviceName, [claimed('a')])
      .when(claim('a'))
      .then([])
  })
  test('is free again', () => {
    const released: ServiceNameEvent = { type: 'NameReleased', data: { guid: 'a' } }
    given(serviceName, [claimed('a')])
      .when({ type: 'ReleaseName', name: 'n', guid: 'a' })
      .then([released])
    given(serviceName, [claimed('a'), released])
      .when(claim('b'))
      .then([claimed('b')])
    given(serviceName).when({ type: 'ReleaseName', name: 'n', guid: 'a' }).then([])
  })
})

test('a web hook is added and deleted once', () => {
  const added: WebHookEvent = { type: 'WebHookAdded', data: { url: 'http://a/', kind: 'eco' } }
  const deletedHook: WebHookEvent = { type: 'WebHookDeleted', data: {} }
  given(webHook).when({ type: 'AddWebHook', id: '1', url: 'http://a/' }).then([added])
  given(webHook, [added]).when({ type: 'AddWebHook', id: '1', url: 'http://a/' }).then([])
  given(webHook, [added]).when({ type: 'DeleteWebHook', id: '1' }).then([deletedHook])
  given(webHook, [added, deletedHook]).when({ type: 'DeleteWebHook', id: '1' }).then([])
})
