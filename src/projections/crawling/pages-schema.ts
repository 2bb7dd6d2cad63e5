/** Adds `n` to a counter row that may not exist yet. */
const count = (table: string, columns: string, values: string, key: string, member: string, n: string): string =>
  `INSERT INTO ${table} (${columns}, ${member}) VALUES (${values}, ${n}) ON CONFLICT (${key}) DO UPDATE SET ${member} = ${member} + ${n}`

/** What a page in one place (`NEW` or `OLD`) adds to the counters, or takes from them. */
const counted = (row: 'NEW' | 'OLD', n: '1' | '-1'): string => `
  ${count('crawl_counts', 'crawl, domain, state', `${row}.crawl, ${row}.domain, ${row}.state`, 'crawl, domain, state', 'n', n)};
  UPDATE queues SET backlog = backlog + ${n} WHERE spiderid = ${row}.spiderid AND domain = ${row}.domain AND ${row}.state = 'queued';
  UPDATE jobs SET pending = pending + ${n} WHERE operation = ${row}.operation AND ${row}.state IN ('queued', 'fetching');
  UPDATE crawls SET pending = pending + ${n} WHERE key = ${row}.crawl AND ${row}.state IN ('queued', 'fetching');`

const ensureQueue = `
  INSERT OR IGNORE INTO queues (spiderid, domain, backlog) SELECT NEW.spiderid, NEW.domain, 0 WHERE NEW.state = 'queued';`

/**
 * Tables of the view `crawling-pages`. Counters follow the pages by triggers, so that no handler can forget them; only a
 * purge, which moves thousands of rows at once, counts by itself. `holder` is the worker that runs the operation, '' where none
 * does: workers find their own pages, and those that anybody may begin, without looking at the others.
 */
export const pagesSchema: readonly string[] = [
  `CREATE TABLE crawls (
    key TEXT PRIMARY KEY, spiderid TEXT NOT NULL, appid TEXT NOT NULL, crawlid TEXT NOT NULL,
    seeds INTEGER NOT NULL, pending INTEGER NOT NULL, maxdepth INTEGER NOT NULL, domain_max_pages INTEGER,
    expires INTEGER NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL, completed_at TEXT, position TEXT NOT NULL
  ) STRICT`,
  `CREATE INDEX crawls_pending ON crawls (appid, spiderid) WHERE pending > 0`,
  `CREATE INDEX crawls_memory ON crawls (crawlid, spiderid)`,
  `CREATE UNIQUE INDEX crawls_position ON crawls (position)`,
  `CREATE INDEX crawls_appid ON crawls (appid, position)`,
  `CREATE TABLE jobs (
    operation TEXT PRIMARY KEY, crawl TEXT NOT NULL, state TEXT NOT NULL, holder TEXT NOT NULL DEFAULT '', doomed TEXT, cancel_reason TEXT, pending INTEGER NOT NULL,
    fetched INTEGER NOT NULL, failed INTEGER NOT NULL, dropped INTEGER NOT NULL, purged INTEGER NOT NULL, failure TEXT, failure_message TEXT
  ) STRICT`,
  `CREATE INDEX jobs_live ON jobs (crawl) WHERE state <> 'ended'`,
  `CREATE INDEX jobs_doomed ON jobs (operation) WHERE doomed IS NOT NULL AND state NOT IN ('ended', 'cancelling')`,
  `CREATE TABLE pages (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, operation TEXT NOT NULL, crawl TEXT NOT NULL, spiderid TEXT NOT NULL,
    domain TEXT NOT NULL, url TEXT NOT NULL, fingerprint TEXT, depth INTEGER NOT NULL, priority INTEGER NOT NULL,
    referer TEXT, seed INTEGER NOT NULL, state TEXT NOT NULL, holder TEXT NOT NULL DEFAULT '', seq TEXT NOT NULL, not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, redirects INTEGER NOT NULL DEFAULT 0,
    status_code INTEGER, reason TEXT, message TEXT, response_url TEXT, duration_ms REAL, bytes INTEGER, item TEXT, body TEXT,
    queued_at TEXT NOT NULL, started_at TEXT, ended_at TEXT
  ) STRICT`,
  `CREATE INDEX pages_queue ON pages (spiderid, domain, holder, priority DESC, seq) WHERE state = 'queued'`,
  `CREATE INDEX pages_waiting ON pages (crawl, domain, priority) WHERE state = 'queued'`,
  `CREATE INDEX pages_owed ON pages (operation) WHERE state = 'queued'`,
  `CREATE INDEX pages_fetching ON pages (operation) WHERE state = 'fetching'`,
  `CREATE INDEX pages_crawl ON pages (crawl, number)`,
  `CREATE TABLE crawl_counts (
    crawl TEXT NOT NULL, domain TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (crawl, domain, state)
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
  `CREATE INDEX starts_page ON starts (page)`,
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
  `CREATE TRIGGER page_queued AFTER INSERT ON pages WHEN NEW.state <> 'purged' BEGIN ${ensureQueue} ${counted('NEW', '1')} END`,
  `CREATE TRIGGER page_moved AFTER UPDATE OF state, domain ON pages
    WHEN NEW.state <> 'purged' AND (OLD.state <> NEW.state OR OLD.domain <> NEW.domain)
    BEGIN ${ensureQueue} ${counted('OLD', '-1')} ${counted('NEW', '1')} END`,
]
