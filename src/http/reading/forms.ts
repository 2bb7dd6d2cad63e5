import { headerOf } from '../faces/arrival.ts'
import type { HttpContext } from '../faces/http-context.ts'
import { Problem } from '../replies/problem.ts'
import { mediaType, readBody } from './body.ts'
import { readMultipart } from './multipart.ts'

/** A megabyte of empty fields would hold the process up for long. */
const mostFields = 1_000

/**
 * The fields of a text in the form `application/x-www-form-urlencoded`: `&` separates, `+` is a space, invalid UTF-8 is replaced, and names may come
 * again. Throws the problem `invalid` where there are more than 1000.
 */
const fieldsIn = (text: string): URLSearchParams => {
  let count = 1
  for (let at = text.indexOf('&'); at >= 0; at = text.indexOf('&', at + 1)) count++
  if (count > mostFields) throw new Problem('invalid', `the form has more than ${mostFields} fields`)
  return new URLSearchParams(text)
}

/** The fields of a body that is taken as urlencoded whatever its type says. Throws what `readBody` throws. */
export const readUrlencoded = async (c: HttpContext): Promise<URLSearchParams> => fieldsIn((await readBody(c)).toString('utf8'))

/**
 * The fields of a form: urlencoded (also meant where no type is declared) or multipart, whose files are passed over. A body of any other type is
 * not looked at, and has none. Throws what `readBody` and `readMultipart` throw.
 */
export const readForm = (c: HttpContext): Promise<URLSearchParams> => {
  switch (mediaType(headerOf(c, 'content-type'))) {
    case '':
    case 'application/x-www-form-urlencoded':
      return readUrlencoded(c)
    case 'multipart/form-data':
      return readMultipart(c, { maxBytes: c.maxBodyBytes })
    default:
      return Promise.resolve(new URLSearchParams())
  }
}

/** The fields of a body and those of the query; of a name that both have, the body's values come first. */
export const withQuery = (c: HttpContext, fields: URLSearchParams): URLSearchParams =>
  new URLSearchParams([...fields, ...fieldsIn(c.query)])
