/** Reasons of a cancellation that lets pages finish which are on their way. */
export const gentleReasons: Readonly<Record<'stopped' | 'expired', string>> = {
  stopped: 'crawl stopped',
  expired: 'crawl expired',
}
