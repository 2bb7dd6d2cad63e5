import type { answerEvents } from '../../events/crawling/answer.ts'
import type { forwardEvents, receivedItemEvents } from '../../events/crawling/bridge.ts'
import type { crawlEvents } from '../../events/crawling/crawl.ts'
import type { domainEvents } from '../../events/crawling/domain.ts'
import type { feedEvents } from '../../events/crawling/feed.ts'
import type { pageEvents } from '../../events/crawling/page.ts'
import { instant } from '../../lib/clock.ts'
import type { SummariesOf } from '../replies/event-summary.ts'

type CrawlingSummaries = SummariesOf<typeof pageEvents> &
  SummariesOf<typeof crawlEvents> &
  SummariesOf<typeof domainEvents> &
  SummariesOf<typeof feedEvents> &
  SummariesOf<typeof answerEvents> &
  SummariesOf<typeof forwardEvents> &
  SummariesOf<typeof receivedItemEvents>

/** What the events of crawls say. */
export const crawlingSummaries: CrawlingSummaries = {
  PageFetchStarted: ({ url, attempt }) => `the fetch of page ${url} began, for the ${ordinal(attempt)} time`,
  PageFetchPutOff: ({ domain }) => `the fetch was put off, because ${domain} is throttled`,
  PagesQueued: ({ pages }) => `${pages.length} linked pages were queued`,
  PageRetryScheduled: ({ statusCode, message, reason }) =>
    `the fetch is to be repeated: ${statusCode === undefined ? (message ?? reason ?? 'it brought nothing') : `status ${statusCode}`}`,
  PageRedirected: ({ from, to, statusCode }) => `page ${from} was redirected to ${to} with status ${statusCode}`,
  PageFetched: ({ url, statusCode }) => `page ${url} was fetched with status ${statusCode}`,
  PageFetchFailed: ({ url, message }) => `page ${url} could not be fetched: ${message}`,
  PageDropped: ({ url, reason }) => `page ${url} was dropped: ${reason.replaceAll('_', ' ')}`,
  CrawlStopped: ({ crawlid }) => `the crawl ${crawlid} was stopped`,
  CrawlExpired: ({ crawlid, expires }) => `the crawl ${crawlid} expired at ${instant(expires * 1000)}`,
  DomainThrottleSet: ({ domain, hits, window, scale }) =>
    `${domain} was throttled to ${Math.floor(hits * scale)} fetches in ${window} s`,
  DomainThrottleRemoved: ({ domain }) => `the throttle of ${domain} was removed`,
  DomainBlacklisted: ({ domain }) => `${domain} was put on the blacklist`,
  DomainUnblacklisted: ({ domain }) => `${domain} was taken off the blacklist`,
  FeedRejected: ({ errors: [first] }, { who }) =>
    `${who} sent a feed that matches none of the four requests${first === undefined ? '' : `: ${first.pointer || 'the whole'}: ${first.message}`}`,
  AnswerReceived: ({ uuid }) => `the Scrapy Cluster answered the request ${uuid}`,
  AnswerDelivered: ({ uuid }, { who }) => `the answer of the request ${uuid} was given to ${who}, who waited for it`,
  AnswerPolled: ({ uuid }, { who }) => `${who} polled the answer of the request ${uuid}`,
  FeedReceived: (data, { who }) =>
    `${who} fed ${data.class === null ? 'a payload' : `a request of the class ${data.class}`} for the Scrapy Cluster`,
  FeedForwarded: ({ topic }) => `it was forwarded to the topic ${topic}`,
  FeedNotForwarded: ({ topic, reason }) => `it was not forwarded to the topic ${topic}: ${reason}`,
  ItemReceived: ({ url, statusCode }) => `the Scrapy Cluster fetched page ${url} with status ${statusCode}`,
}

const endings = new Map([
  ['one', 'st'],
  ['two', 'nd'],
  ['few', 'rd'],
])
const ordinals = new Intl.PluralRules('en', { type: 'ordinal' })
const ordinal = (number: number): string => `${number}${endings.get(ordinals.select(number)) ?? 'th'}`
