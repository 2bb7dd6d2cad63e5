import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPlaces } from '../../src/lib/places.ts'

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')

test('it does as a Map does', () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.option(fc.nat(), { nil: undefined }))), (steps) => {
      const places = createPlaces<number>()
      const map = new Map<string, number>()
      for (const [name, value] of steps) {
        if (value === undefined) {
          places.delete(name)
          map.delete(name)
        } else {
          places.set(name, value)
          map.set(name, value)
        }
        expect(places.values()).toEqual([...map.values()])
        expect(places.size).toBe(map.size)
        expect(places.get(name)).toBe(map.get(name))
        expect(places.has(name)).toBe(map.has(name))
      }
    }),
  ))
