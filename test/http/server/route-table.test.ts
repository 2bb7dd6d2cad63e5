import { expect, test } from 'vitest'
import { routeTable } from '../../../src/http/server/route-table.ts'

const table = routeTable(
  ['/crawls', '/crawls/:key', '/crawls/rejections', '/crawls/:key/items', '/crawls/items/:id'].map((path) => ({
    method: 'GET',
    path,
    route: path,
  })),
)

test.each([
  ['/crawls', '/crawls'],
  ['/crawls/a%2Fb', '/crawls/:key'],
  ['/crawls/rejections', '/crawls/rejections'],
  ['/crawls/a/items', '/crawls/:key/items'],
  ['/crawls/items/a', '/crawls/items/:id'],
  ['/crawls/items/items', '/crawls/:key/items'],
  ['/crawls/', undefined],
  ['/crawls//items', undefined],
  ['/crawls/a/b', undefined],
  ['/crawls/a/items/b', undefined],
])('%s meets %s', (path, route) => {
  expect(table.find('GET', path)).toBe(route)
  expect(table.find('HEAD', path)).toBe(route)
  expect(table.find('POST', path)).toBeUndefined()
  expect(table.allow(path)).toEqual(route === undefined ? [] : ['GET', 'HEAD', 'OPTIONS'])
})
