/** `PRAGMA application_id`: "hauk" in ASCII. Tells the ledger from any other SQLite file. */
export const APPLICATION_ID = 0x6861756b;

/** `PRAGMA user_version` of what this hauki writes. A ledger with a higher one is left alone. */
export const SCHEMA_VERSION = 1;

/**
 * `records` is the truth. Of its columns only seq, body, prev and hash are stored; the others are computed from the body whenever they
 * are read, so there is nothing in them to forge. `signature` is the head's signature where a record was the last of its batch: not
 * needed to prove that the chain was rewritten, but it tells from where on.
 *
 * All other tables follow from the records and exist so that questions are answered without reading them all. `mutations.seq` is
 * the seq of the mutation's "requested" (or "rebuilt") record: the order in which they were asked for. `mutation_datasets` has the
 * places of datasets besides their names. Every index ends in the seq (SQLite appends the
 * rowid), so each filter of the log is answered newest first without sorting.
 */
export const SCHEMA = `
CREATE TABLE records (
  seq INTEGER PRIMARY KEY,
  body TEXT NOT NULL,
  prev TEXT NOT NULL,
  hash TEXT NOT NULL,
  at INTEGER GENERATED ALWAYS AS (body ->> '$.at') VIRTUAL,
  type TEXT GENERATED ALWAYS AS (body ->> '$.type') VIRTUAL,
  mutation TEXT GENERATED ALWAYS AS (coalesce(body ->> '$.mutation', body ->> '$.target.mutation')) VIRTUAL
) STRICT;
CREATE INDEX records_by_mutation ON records (mutation) WHERE mutation IS NOT NULL;

CREATE TABLE head (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL,
  signature TEXT NOT NULL
) STRICT;

CREATE TABLE mutations (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  node TEXT NOT NULL,
  stage TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  key TEXT,
  final INTEGER NOT NULL,
  doc TEXT NOT NULL
) STRICT;
CREATE INDEX mutations_open ON mutations (seq) WHERE final = 0;
CREATE INDEX mutations_by_key ON mutations (key) WHERE key IS NOT NULL;
CREATE INDEX mutations_by_time ON mutations (requested_at);
CREATE INDEX mutations_by_node ON mutations (node);
CREATE INDEX mutations_by_stage ON mutations (stage);
CREATE INDEX mutations_by_node_and_stage ON mutations (node, stage);

CREATE TABLE mutation_datasets (
  dataset TEXT NOT NULL,
  mutation_seq INTEGER NOT NULL,
  PRIMARY KEY (dataset, mutation_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (part TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/**
 * synchronous=FULL: in WAL mode nothing less survives a power cut. wal_autocheckpoint, in pages: at 16 MB instead of 4 the same hot
 * pages are written back a quarter as often, worth a quarter more appends a second. The WAL can still grow while somebody reads
 * for long (an audit); journal_size_limit gives that space back afterwards. cache_size, in KiB when negative, bounds the memory.
 */
export const WRITER_SETTINGS = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA cache_size = -4096;
PRAGMA journal_size_limit = 16777216;
`;
