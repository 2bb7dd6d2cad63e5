import { describe, expect, test } from 'vitest'
import { createLinkFilter, type LinkFilter } from '../../../../src/workers/crawling/links/link-filter.ts'
import { extractLinks } from '../../../../src/workers/crawling/links/links.ts'

const responseUrl = 'http://www.example.com/news/index.html?page=1'

const extract = (html: string, options: { contentType?: string; filter?: LinkFilter } = {}) =>
  extractLinks({ body: Buffer.from(html), contentType: options.contentType ?? 'text/html', responseUrl, ...options })

const urls = (html: string): string[] => extract(html).links.map(({ url }) => url)

describe('the links of a page', () => {
  test('come from a and area, in document order, with their text', () => {
    const html = `<title>x <a href=/no></title><!-- <a href=/no>no</a> --><script>'<a href="/no">no</a>'</script>
      <A HREF="one.html" rel=nofollow>One <b>and &amp; only</b></A>
      <map><area href=' /two ' alt="2"></map><link href=/style.css><img src=/no.png>
      <noscript><a href=three?b=1&amp;a=2#top>Three</a></noscript><a name=here>anchor</a><a href>empty</a>`
    expect(extract(html).links).toEqual([
      { url: 'http://www.example.com/news/one.html', text: 'One and & only' },
      { url: 'http://www.example.com/two', text: '' },
      { url: 'http://www.example.com/news/three?b=1&a=2', text: 'Three' },
      { url: 'http://www.example.com/news/index.html?page=1', text: 'empty' },
    ])
  })

  test('are resolved against the base, which is resolved itself', () => {
    expect(urls('<base href="/archive/"><base href=/other/><a href=x>x</a>')).toEqual(['http://www.example.com/archive/x'])
    expect(urls('<a href=x>x</a><base href=//cdn.example.org>')).toEqual(['http://cdn.example.org/x'])
    expect(urls('<base href="http://"><a href=x>x</a>')).toEqual(['http://www.example.com/news/x'])
  })

  test('are unique by their canonical form; the first text stays', () => {
    const html =
      '<a href="/a?x=1&y=2">first</a><a href="/a?y=2&x=1#two">second</a><a href="http://WWW.example.com/a?x=1&y=2">third</a>'
    expect(extract(html)).toMatchObject({ links: [{ url: 'http://www.example.com/a?x=1&y=2', text: 'first' }], found: 1 })
  })

  test('are fetched as they are written: not every server knows another form', () => {
    const written = ['/index.php?/thread/9/', '/p?print', '/f/a%2Bb.html', '/f/a%26b', '/q?a;b=1', '/s?b=1&a=2', '/d/%7euser']
    expect(urls(written.map((href) => `<a href="${href}#x">x</a>`).join(''))).toEqual(
      written.map((href) => `http://www.example.com${href}`),
    )
  })

  test('have a query in the encoding of the page', () => {
    const html = Buffer.from('<meta charset=gb2312><a href="/a?n=\xb4\xba">x</a>', 'latin1')
    expect(extractLinks({ body: html, contentType: 'text/html', responseUrl }).links).toMatchObject([
      { url: 'http://www.example.com/a?n=%B4%BA' },
    ])
  })

  test('are http and https ones', () => {
    const html = [
      'mailto:a@b.c',
      'javascript:void(0)',
      'ftp://x/y',
      'file:///etc/passwd',
      'data:,x',
      'http://[bad',
      'https://ok.example/',
    ]
      .map((href) => `<a href="${href}">x</a>`)
      .join('')
    expect(urls(html)).toEqual(['https://ok.example/'])
  })

  test('survive broken markup', () => {
    expect(extract('<a href=/one>one<a href=/two>two<p>more</a><td><a href="/three').links).toEqual([
      { url: 'http://www.example.com/one', text: 'one' },
      { url: 'http://www.example.com/two', text: 'twomore' },
    ])
    expect(urls('<a href="/a\n/b">x</a>')).toEqual(['http://www.example.com/a/b'])
    expect(urls('<a href=/first href=/second>x</a>')).toEqual(['http://www.example.com/first'])
    expect(urls('<a href=x><a href=y')).toEqual(['http://www.example.com/news/x'])
  })

  test('are not looked for in what has no markup or is no text', () => {
    const html = '<a href=/x>x</a>'
    expect(extract(JSON.stringify({ html }), { contentType: 'application/json' })).toMatchObject({ links: [], encoding: 'utf-8' })
    expect(extract(`\x01${html}`, { contentType: 'image/png' })).toMatchObject({ encoding: null, text: '', links: [], found: 0 })
    expect(extract(html, { contentType: 'image/png' }).links).toHaveLength(1)
    expect(extract(html, { contentType: 'text/plain' }).links).toHaveLength(1)
  })

  test('are read in the encoding of the page', () => {
    const body = Buffer.from('<meta charset=windows-1251><a href="/\xcf">\xcf\xf0</a>', 'latin1')
    const page = extractLinks({ body, contentType: 'text/html', responseUrl })
    expect(page).toMatchObject({ encoding: 'windows-1251', links: [{ url: 'http://www.example.com/%D0%9F', text: 'Пр' }] })
  })
})

describe('a meta refresh', () => {
  const refresh = (html: string) => extract(html).metaRefresh

  test('is found with its delay and resolved URL', () => {
    expect(refresh('<META HTTP-EQUIV=Refresh content="5; URL=\'next.html\'">')).toEqual({
      url: 'http://www.example.com/news/next.html',
      delaySeconds: 5,
    })
    expect(refresh('<base href=/b/><meta http-equiv="refresh" content="0.5;url=x">')).toEqual({
      url: 'http://www.example.com/b/x',
      delaySeconds: 0.5,
    })
  })

  test('is none without a URL, in a noscript, a comment or a script', () => {
    for (const html of [
      '<meta http-equiv=refresh content=60>',
      '<noscript><meta http-equiv=refresh content="0;url=/x"></noscript>',
      '<!-- <meta http-equiv=refresh content="0;url=/x"> -->',
      '<script>"<meta http-equiv=refresh content=\'0;url=/x\'>"</script>',
      '<meta name=refresh content="0;url=/x">',
    ]) {
      expect(refresh(html)).toBeUndefined()
    }
  })
})

describe('the filter of a crawl', () => {
  const none = { allowRegex: null, denyRegex: null, allowedDomains: null, denyExtensions: null }
  const filter = (lists: Partial<Parameters<typeof createLinkFilter>[0]>): LinkFilter => {
    const made = createLinkFilter({ ...none, ...lists })
    if ('error' in made) throw new Error(made.error)
    return made
  }
  const keeps = (lists: Partial<Parameters<typeof createLinkFilter>[0]>, url: string) => filter(lists).keeps(url)

  test('searches its patterns anywhere in the URL, and denial wins', () => {
    expect(keeps({ allowRegex: ['shock', 'fear'] }, 'http://example.com/no-fear')).toBe(true)
    expect(keeps({ allowRegex: ['shock'] }, 'http://example.com/calm')).toBe(false)
    expect(keeps({ allowRegex: [] }, 'http://example.com/calm')).toBe(true)
    expect(keeps({ allowRegex: ['x'], denyRegex: ['y'] }, 'http://example.com/xy')).toBe(false)
  })

  test('knows domains and their subdomains, with or without the port', () => {
    const lists = { allowedDomains: ['Example.com', 'other.org:8080'] }
    for (const [url, kept] of [
      ['http://example.com/', true],
      ['http://WWW.EXAMPLE.COM/', true],
      ['http://a.example.com:81/', true],
      ['http://user@example.com/', true],
      ['http://badexample.com/', false],
      ['http://example.com.evil.org/', false],
      ['http://evil.org/?example.com', false],
      ['http://other.org:8080/', true],
      ['http://other.org/', false],
    ] as const) {
      expect([url, keeps(lists, url)]).toEqual([url, kept])
    }
  })

  test('knows international names in either spelling', () => {
    for (const domain of ['bücher.example', 'BÜCHER.example.', 'xn--bcher-kva.example', 'Bücher.example:8080'])
      expect([domain, keeps({ allowedDomains: [domain] }, 'http://www.xn--bcher-kva.example:8080/')]).toEqual([domain, true])
    expect(keeps({ allowedDomains: ['bücher.example:81'] }, 'http://xn--bcher-kva.example/')).toBe(false)
    expect(keeps({ allowedDomains: ['example.com'] }, 'http://www.example.com./')).toBe(true)
  })

  test('denies extensions of the path: the standard list, none, or its own', () => {
    expect(keeps({}, 'http://example.com/a.PDF?x=1')).toBe(false)
    expect(keeps({}, 'http://example.com/a.pdf;v=1')).toBe(false)
    expect(keeps({}, 'http://example.com/a?file=b.pdf')).toBe(true)
    expect(keeps({}, 'http://example.com/.css')).toBe(true)
    expect(keeps({}, 'http://example.zip')).toBe(true)
    expect(keeps({}, 'http://example.com/a.html')).toBe(true)
    expect(keeps({ denyExtensions: [] }, 'http://example.com/a.pdf')).toBe(true)
    expect(keeps({ denyExtensions: ['html'] }, 'http://example.com/a.pdf')).toBe(true)
    expect(keeps({ denyExtensions: ['.HTML'] }, 'http://example.com/a.html')).toBe(false)
  })

  test('keeps nothing but http and https', () => {
    for (const url of ['ftp://example.com/', 'file:///etc/passwd', 'mailto:a@b.c', '']) expect(keeps({}, url)).toBe(false)
  })

  test('says what is wrong with a pattern', () => {
    expect(createLinkFilter({ ...none, denyRegex: ['ok', '('] })).toMatchObject({ error: expect.stringContaining('"("') })
  })

  test('sees URLs as they stand in the page, and counts what it drops', () => {
    const html = '<a href="/a?z=1&a=2#part">x</a><a href=/b>y</a><a href=mailto:x>z</a>'
    const page = extract(html, { filter: filter({ allowRegex: ['z=1&a=2#part$'] }) })
    expect(page).toMatchObject({ found: 2, links: [{ url: 'http://www.example.com/a?z=1&a=2', text: 'x' }] })
  })
})

test('a long list of links is filtered as the rules say', () => {
  const hosts = ['www.alpha.com', 'beta.org', 'gamma.net']
  const html = Array.from({ length: 300 }, (_, n) => {
    const ending = n % 5 === 0 ? '.html' : n % 7 === 0 ? '.pdf' : ''
    return `<TD><A HREF="http://${hosts[n % 3]}/${n % 10 === 0 ? 'shock' : 'calm'}/${n}${ending}">${n}</A><BR>`
  }).join('\n')
  const kept = (lists: object): number => {
    const filter = createLinkFilter({ allowRegex: null, denyRegex: null, allowedDomains: null, denyExtensions: null, ...lists })
    if ('error' in filter) throw new Error(filter.error)
    return extract(html, { filter }).links.length
  }
  const pdf = Array.from({ length: 300 }, (_, n) => n).filter((n) => n % 5 !== 0 && n % 7 === 0).length
  expect(kept({})).toBe(300 - pdf)
  expect(kept({ denyExtensions: [] })).toBe(300)
  expect(kept({ allowedDomains: ['alpha.com'], denyExtensions: [] })).toBe(100)
  expect(kept({ allowRegex: ['.*shock.*'] })).toBe(30)
  expect(kept({ denyRegex: ['.*.com.*'], denyExtensions: [] })).toBe(200)
  expect(kept({ denyExtensions: ['html'] })).toBe(240)
})
