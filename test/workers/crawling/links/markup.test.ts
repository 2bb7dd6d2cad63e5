import { describe, expect, test } from 'vitest'
import { readMarkup } from '../../../../src/workers/crawling/links/markup.ts'
import { refreshOf } from '../../../../src/workers/crawling/links/meta-refresh.ts'

describe('markup', () => {
  test('that is nested deeper than a stack goes is read like any other', () => {
    const deep = `${'<div>'.repeat(300_000)}<a href=/deep>deep</a>${'</div>'.repeat(300_000)}<a href=/after>after</a>`
    expect(readMarkup(deep).anchors).toEqual([
      { href: '/deep', text: 'deep' },
      { href: '/after', text: 'after' },
    ])
  })

  test('ends the text of a link with the element around it', () => {
    expect(readMarkup('<div><a href=/x>in</div>out').anchors).toEqual([{ href: '/x', text: 'in' }])
    expect(readMarkup('<a href=/x>in</p></b>still</a>out').anchors).toEqual([{ href: '/x', text: 'instill' }])
  })

  test('of SVG and MathML closes what closes itself, and its CDATA is text', () => {
    const html = '<svg><a href=/x><![CDATA[in & out]]></a><a href=/y /></svg>after'
    expect(readMarkup(html).anchors).toEqual([
      { href: '/x', text: 'in & out' },
      { href: '/y', text: '' },
    ])
  })

  test('with names of the prototype has no attributes but its own', () => {
    expect(readMarkup('<a __proto__=x constructor=y href=/p>x</a>').anchors).toEqual([{ href: '/p', text: 'x' }])
  })

  test('names its base once, and its refresh outside of noscript', () => {
    const html =
      '<noscript><meta http-equiv=refresh content="0;url=/no"></noscript><base href=/one><base href=/two><META HTTP-EQUIV=REFRESH content="1;url=/yes">'
    expect(readMarkup(html)).toMatchObject({ base: '/one', refresh: { url: '/yes', delaySeconds: 1 } })
  })
})

test.each([
  ['5;url=/x', { delaySeconds: 5, url: '/x' }],
  [' .5 , URL = "/x" ', { delaySeconds: 0.5, url: '/x' }],
  ["0;url='/x", { delaySeconds: 0, url: "'/x" }],
  ["0;url='", { delaySeconds: 0, url: "'" }],
  ["0;url=''", undefined],
  ['0;url=', undefined],
  ['5', undefined],
  ['5.;url=/x', undefined],
  [`0;url='${' '.repeat(1_000_000)}x`, { delaySeconds: 0, url: `'${' '.repeat(1_000_000)}x` }],
  [`${' '.repeat(1_000_000)}1`, undefined],
  [`${'1'.repeat(1_000_000)}x`, undefined],
])('a refresh is read in linear time (case %#)', (content, refresh) => {
  expect(refreshOf(content)).toEqual(refresh)
})
