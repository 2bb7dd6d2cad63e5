/** What a page in one place (`NEW` or `OLD`) is counted as. */
const isIn = (state: 'queued' | 'fetching' | 'purged', row: 'NEW' | 'OLD'): string => `(${row}.state = '${state}')`
const isPending = (row: 'NEW' | 'OLD'): string => `(${row}.state IN ('queued', 'fetching'))`

/** Everything is written as a change by one page. `domain` is the same before and after. */
const changeCounts = `UPDATE crawl_counts SET
    queued = queued + ${isIn('queued', 'NEW')} - ${isIn('queued', 'OLD')},
    fetching = fetching + ${isIn('fetching', 'NEW')} - ${isIn('fetching', 'OLD')},
    purged = purged - ${isIn('purged', 'OLD')}
  WHERE crawl = NEW.crawl AND domain = NEW.domain;`
const leaveCounts = `UPDATE crawl_counts SET
    queued = queued - ${isIn('queued', 'OLD')}, fetching = fetching - ${isIn('fetching', 'OLD')}, purged = purged - ${isIn('purged', 'OLD')}
  WHERE crawl = OLD.crawl AND domain = OLD.domain;`
const enterCounts = `
  INSERT INTO crawl_counts (crawl, domain, queued, fetching, purged)
    VALUES (NEW.crawl, NEW.domain, ${isIn('queued', 'NEW')}, ${isIn('fetching', 'NEW')}, 0)
    ON CONFLICT (crawl, domain) DO UPDATE SET queued = queued + excluded.queued, fetching = fetching + excluded.fetching;`
const enterQueue = `
  INSERT INTO queues (spiderid, domain, backlog) VALUES (NEW.spiderid, NEW.domain, 1)
    ON CONFLICT (spiderid, domain) DO UPDATE SET backlog = backlog + 1;`
const becomePending = `
  UPDATE jobs SET pending = pending + 1 WHERE operation = NEW.operation;
  UPDATE crawls SET pending = pending + 1 WHERE key = NEW.crawl;`

/**
 * Counters follow the pages by triggers, so that no handler can forget them; only a purge, which moves thousands of rows at once,
 * counts by itself. Each has what changes together and runs only then: to begin a fetch writes two counters (with everything
 * in one trigger it was eight; the whole view 78 → NN µs a page).
 */
const triggers = [
  `CREATE TRIGGER page_queued AFTER INSERT ON pages WHEN NEW.state = 'queued'
    BEGIN ${enterCounts} ${enterQueue} ${becomePending} END`,
  `CREATE TRIGGER page_moved AFTER UPDATE OF state, domain ON pages
    WHEN NEW.state <> 'purged' AND OLD.state <> NEW.state AND OLD.domain = NEW.domain BEGIN ${changeCounts} END`,
  `CREATE TRIGGER page_changed_domain AFTER UPDATE OF state, domain ON pages
    WHEN NEW.state <> 'purged' AND OLD.domain <> NEW.domain BEGIN ${leaveCounts} ${enterCounts} END`,
  `CREATE TRIGGER page_left_queue AFTER UPDATE OF state, domain ON pages
    WHEN OLD.state = 'queued' AND NEW.state <> 'purged' AND (NEW.state <> 'queued' OR OLD.domain <> NEW.domain)
    BEGIN UPDATE queues SET backlog = backlog - 1 WHERE spiderid = OLD.spiderid AND domain = OLD.domain; END`,
  `CREATE TRIGGER page_came_back AFTER UPDATE OF state, domain ON pages
    WHEN NEW.state = 'queued' AND (OLD.state <> 'queued' OR OLD.domain <> NEW.domain) BEGIN ${enterQueue} END`,
  `CREATE TRIGGER page_ended AFTER UPDATE OF state ON pages WHEN NEW.state <> 'purged' AND ${isPending('OLD')} AND NOT ${isPending('NEW')} BEGIN
    UPDATE jobs SET pending = pending - 1, fetched = fetched + (NEW.state = 'fetched') WHERE operation = NEW.operation;
    UPDATE crawls SET pending = pending - 1, last_at = NEW.ended_at WHERE key = NEW.crawl; END`,
  `CREATE TRIGGER page_ended_late AFTER UPDATE OF state ON pages WHEN NEW.state <> 'purged' AND NOT ${isPending('OLD')} AND NOT ${isPending('NEW')} BEGIN
    UPDATE jobs SET fetched = fetched + (NEW.state = 'fetched') WHERE operation = NEW.operation;
    UPDATE crawls SET last_at = NEW.ended_at WHERE key = NEW.crawl; END`,
  `CREATE TRIGGER page_reopened AFTER UPDATE OF state ON pages WHEN NOT ${isPending('OLD')} AND ${isPending('NEW')} BEGIN ${becomePending} END`,
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
    attempts INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, redirects INTEGER NOT NULL DEFAULT 0,
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
