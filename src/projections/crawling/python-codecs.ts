/** Encodings whose name Python does not know, or knows for a smaller one: pages are written in what browsers understand by it. */
const codecs: ReadonlyMap<string, string> = new Map([
  ['big5', 'big5hkscs'],
  ['euc-jp', 'euc-jis-2004'],
  ['euc-kr', 'cp949'],
  ['gbk', 'gb18030'],
  ['iso-8859-8-i', 'iso-8859-8'],
  ['macintosh', 'mac-roman'],
  ['shift_jis', 'cp932'],
  ['windows-874', 'cp874'],
  ['x-mac-cyrillic', 'mac-cyrillic'],
])

/** Accepts every byte: consumers that decode all items do not fail on one that is not text. */
const anyBytes = 'iso-8859-1'

/** The name of the Python codec for an encoding that `encodingOf` named; null stands for what is no text. */
export const pythonCodec = (encoding: string | null): string =>
  encoding === null ? anyBytes : (codecs.get(encoding) ?? encoding)
