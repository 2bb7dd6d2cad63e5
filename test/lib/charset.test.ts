import { describe, expect, test } from 'vitest'
import { contentTypeOf, decode, encodingOf } from '../../src/lib/charset.ts'

const read = (body: Buffer, contentType: string): [string, string] => {
  const { mediaType, charset } = contentTypeOf(contentType)
  const encoding = encodingOf(body, mediaType, charset)
  return [encoding, decode(body, encoding)]
}

describe('the encoding of a page', () => {
  test('is what the Content-Type says', () => {
    expect(read(Buffer.from([0xcf, 0xf0]), 'text/html; charset=windows-1251')).toEqual(['windows-1251', 'Пр'])
    expect(read(Buffer.from('é'), 'text/html; Charset="UTF-8"')).toEqual(['utf-8', 'é'])
    expect(read(Buffer.from([0x80]), 'text/html;charset=ISO-8859-1')).toEqual(['windows-1252', '€'])
    expect(read(Buffer.from([0x93, 0xfa]), "text/html; charset='shift_jis'")).toEqual(['shift_jis', '日'])
  })

  test('is what its byte order mark says, whatever the Content-Type says', () => {
    expect(read(Buffer.from('\ufeffé'), 'text/html; charset=windows-1251')).toEqual(['utf-8', 'é'])
    expect(read(Buffer.from('\ufeffé', 'utf16le'), 'text/html')).toEqual(['utf-16le', 'é'])
  })

  test('is what the page declares, also after a long comment', () => {
    const declared = Buffer.from(`<!-- ${'x'.repeat(2000)} --><meta charset="windows-1251">\xcf`, 'latin1')
    expect(read(declared, 'text/html')).toEqual(['windows-1251', expect.stringContaining('П')])
    const old = Buffer.from('<META http-equiv="Content-Type" content="text/html; charset=koi8-r">\xf0', 'latin1')
    expect(read(old, 'text/html')).toEqual(['koi8-r', expect.stringContaining('П')])
    const xml = Buffer.from('<?xml version="1.0" encoding="iso-8859-2"?><a>\xb1</a>', 'latin1')
    expect(read(xml, 'application/xml')).toEqual(['iso-8859-2', expect.stringContaining('ą')])
  })

  test('is guessed where nothing is said', () => {
    expect(read(Buffer.from('Zoë'), 'text/html')).toEqual(['utf-8', 'Zoë'])
    expect(read(Buffer.from([0x5a, 0x6f, 0xeb]), 'text/html')).toEqual(['windows-1252', 'Zoë'])
    expect(read(Buffer.alloc(0), 'text/html')).toEqual(['utf-8', ''])
  })

  test('survives labels that lie or do not exist', () => {
    expect(read(Buffer.from('Zoë'), 'text/html; charset=klingon')).toEqual(['utf-8', 'Zoë'])
    expect(read(Buffer.from([0x5a, 0xff, 0x5a]), 'text/html; charset=utf-8')).toEqual(['utf-8', 'Z\ufffdZ'])
    expect(read(Buffer.from('Zoë'), 'text/html; charset=iso-2022-kr')).toEqual(['utf-8', 'Zoë'])
    expect(read(Buffer.from('Zoë'), 'text/html; charset=')).toEqual(['utf-8', 'Zoë'])
    expect(read(Buffer.from([0x80]), 'text/html; charset=x-user-defined')).toEqual(['windows-1252', '€'])
  })
})
