const isQueued = (row: 'NEW' | 'OLD'): string => `(${row}.state = 'queued')`
const isFetching = (row: 'NEW' | 'OLD'): string => `(${row}.state = 'fetching')`
const isPending = (row: 'NEW' | 'OLD'): string => `(${row}.state IN ('queued', 'fetching'))`

/** The page is where no page of its kind may have been before. */
const enter = `
  INSERT INTO crawl_counts (crawl, domain, queued, fetching, purged) VALUES (NEW.crawl, NEW.domain, ${isQueued('NEW')}, ${isFetching('NEW')}, 0)
    ON CONFLICT (crawl, domain) DO UPDATE SET queued = queued + excluded.queued, fetching = fetching + excluded.fetching;
  INSERT INTO queues (spiderid, domain, backlog) SELECT NEW.spiderid, NEW.domain, 1 WHERE ${isQueued('NEW')}
    ON CONFLICT (spiderid, domain) DO UPDATE SET backlog = backlog + 1;`

/**
 * Counters follow the pages by triggers, so that no handler can forget them; only what moves many rows at once, a purge and the links
 * of a page, counts by itself. A condition that looks at nothing but the page comes before the statement's search: what does not
 * change costs next to nothing.
 */
const triggers = [
  `CREATE TRIGGER page_fed AFTER INSERT ON pages WHEN NEW.seed = 1 BEGIN ${enter}
    UPDATE jobs SET pending = pending + 1 WHERE operation = NEW.operation;
    UPDATE crawls SET pending = pending + 1 WHERE key = NEW.crawl;
  END`,
  `CREATE TRIGGER page_moved AFTER UPDATE OF state ON pages WHEN NEW.state <> 'purged' AND OLD.state <> NEW.state BEGIN
    UPDATE crawl_counts SET
        queued = queued + ${isQueued('NEW')} - ${isQueued('OLD')},
        fetching = fetching + ${isFetching('NEW')} - ${isFetching('OLD')},
        purged = purged - (OLD.state = 'purged')
      WHERE crawl = NEW.crawl AND domain = NEW.domain AND OLD.domain = NEW.domain;
    UPDATE queues SET backlog = backlog + ${isQueued('NEW')} - ${isQueued('OLD')}
      WHERE spiderid = NEW.spiderid AND domain = NEW.domain AND OLD.domain = NEW.domain AND ${isQueued('NEW')} <> ${isQueued('OLD')};
    UPDATE jobs SET pending = pending + ${isPending('NEW')} - ${isPending('OLD')}, fetched = fetched + (NEW.state = 'fetched')
      WHERE operation = NEW.operation AND (${isPending('NEW')} <> ${isPending('OLD')} OR NEW.state = 'fetched');
    UPDATE crawls SET pending = pending + ${isPending('NEW')} - ${isPending('OLD')}, last_at = iif(${isPending('NEW')}, last_at, NEW.ended_at)
      WHERE key = NEW.crawl AND NOT (${isPending('NEW')} AND ${isPending('OLD')});
  END`,
  `CREATE TRIGGER page_redirected AFTER UPDATE OF domain ON pages WHEN OLD.domain <> NEW.domain BEGIN
    UPDATE crawl_counts SET
        queued = queued - ${isQueued('OLD')}, fetching = fetching - ${isFetching('OLD')}, purged = purged - (OLD.state = 'purged')
      WHERE crawl = OLD.crawl AND domain = OLD.domain;
    UPDATE queues SET backlog = backlog - 1 WHERE spiderid = OLD.spiderid AND domain = OLD.domain AND ${isQueued('OLD')};
    ${enter}
  END`,
]

/**
 * Tables of the view `crawling-pages`. `holder` is the worker that runs the operation, '' where none does: workers find their own
 * pages, and those that anybody may begin, without looking at the others.
 */
export const pagesSchema: readonly string[] = [
  `CREATE TABLE crawls (
    key TEXT PRIMARY KEY, spiderid TEXT NOT NULL, appid TEXT NOT NULL, crawlid TEXT NOT NULL,
    seeds INTEGER NOT NULL, pending INTEGER NOT NULL, maxdepth INTEGER NOT NULL, domain_max_pages INTEGER,
    expires INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL, completed_at TEXT, position TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
  // Not by `pending`, which every page changes: an index that looks at it is written each time.
  `CREATE INDEX crawls_open ON crawls (appid, spiderid) WHERE completed_at IS NULL`,
  `CREATE INDEX crawls_memory ON crawls (crawlid, spiderid)`,
  `CREATE UNIQUE INDEX crawls_position ON crawls (position)`,
  `CREATE INDEX crawls_appid ON crawls (appid, position)`,
  `CREATE TABLE jobs (
    operation TEXT PRIMARY KEY, crawl TEXT NOT NULL, state TEXT NOT NULL, holder TEXT NOT NULL DEFAULT '', doomed TEXT, cancel_reason TEXT, pending INTEGER NOT NULL,
    fetched INTEGER NOT NULL, failed INTEGER NOT NULL, dropped INTEGER NOT NULL, purged INTEGER NOT NULL, failure TEXT, failure_message TEXT
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX jobs_live ON jobs (crawl) WHERE state <> 'ended'`,
  `CREATE INDEX jobs_doomed ON jobs (operation) WHERE doomed IS NOT NULL AND state NOT IN ('ended', 'cancelling')`,
  `CREATE TABLE pages (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, operation TEXT NOT NULL, crawl TEXT NOT NULL, spiderid TEXT NOT NULL,
    domain TEXT NOT NULL, url TEXT NOT NULL, fingerprint TEXT, depth INTEGER NOT NULL, priority INTEGER NOT NULL,
    referer TEXT, seed INTEGER NOT NULL, state TEXT NOT NULL, holder TEXT NOT NULL DEFAULT '', seq TEXT NOT NULL, not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, redirects INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
    status_code INTEGER, reason TEXT, message TEXT, response_url TEXT, duration_ms REAL, bytes INTEGER,
    queued_at TEXT NOT NULL, started_at TEXT, ended_at TEXT
  ) STRICT`,
  `CREATE INDEX pages_queue ON pages (spiderid, domain, holder, priority DESC, seq) WHERE state = 'queued'`,
  `CREATE INDEX pages_owed ON pages (operation, domain, priority) WHERE state = 'queued'`,
  `CREATE INDEX pages_fetching ON pages (operation) WHERE state = 'fetching'`,
  `CREATE INDEX pages_crawl ON pages (crawl, number)`,
  `CREATE TABLE crawl_counts (
    crawl TEXT NOT NULL, domain TEXT NOT NULL, queued INTEGER NOT NULL, fetching INTEGER NOT NULL, purged INTEGER NOT NULL, PRIMARY KEY (crawl, domain)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE queues (
    spiderid TEXT NOT NULL, domain TEXT NOT NULL, backlog INTEGER NOT NULL, PRIMARY KEY (spiderid, domain)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE outcomes (
    crawl TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (crawl, kind, label)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE memories (
    spiderid TEXT NOT NULL, crawlid TEXT NOT NULL, tested_at TEXT NOT NULL, PRIMARY KEY (spiderid, crawlid)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE seen (
    spiderid TEXT NOT NULL, crawlid TEXT NOT NULL, fingerprint TEXT NOT NULL, PRIMARY KEY (spiderid, crawlid, fingerprint)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE page_counts (
    spiderid TEXT NOT NULL, crawlid TEXT NOT NULL, domain TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (spiderid, crawlid, domain)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE starts (
    spiderid TEXT NOT NULL, domain TEXT NOT NULL, at INTEGER NOT NULL, page TEXT NOT NULL, position TEXT NOT NULL, PRIMARY KEY (spiderid, domain, at, page)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE stop_list (
    crawl TEXT PRIMARY KEY, spiderid TEXT NOT NULL, appid TEXT NOT NULL, crawlid TEXT NOT NULL, cause TEXT NOT NULL, at TEXT NOT NULL,
    uuid TEXT, operation TEXT, position TEXT NOT NULL
  ) STRICT`,
  `CREATE UNIQUE INDEX stop_list_position ON stop_list (position)`,
  `CREATE TABLE purges (id TEXT PRIMARY KEY, crawl TEXT NOT NULL, total INTEGER NOT NULL) STRICT`,
  `CREATE TABLE timers (
    crawl TEXT PRIMARY KEY, spiderid TEXT NOT NULL, appid TEXT NOT NULL, crawlid TEXT NOT NULL, expires INTEGER NOT NULL
  ) STRICT`,
  `CREATE INDEX timers_due ON timers (expires, crawl)`,
  `CREATE TABLE throttles (
    domain TEXT PRIMARY KEY, window INTEGER NOT NULL, hits INTEGER NOT NULL, scale REAL NOT NULL,
    appid TEXT NOT NULL, uuid TEXT NOT NULL, at TEXT NOT NULL
  ) STRICT`,
  `CREATE TABLE blacklist (domain TEXT PRIMARY KEY, appid TEXT NOT NULL, uuid TEXT NOT NULL, at TEXT NOT NULL) STRICT`,
  ...triggers,
]
