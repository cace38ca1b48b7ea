import type { Selection } from '../core/selection.ts';
import type { DeadLetter, Webhook } from '../ports/webhooks.ts';

/** What of a database is needed here: a connection to SQLite. */
export interface Sql {
  exec(sql: string): void;
  prepare<Row>(sql: string): {
    get(...values: readonly (string | number | null)[]): Row | undefined;
    all(...values: readonly (string | number | null)[]): Row[];
    run(...values: readonly (string | number | null)[]): { readonly changes: number };
  };
  transaction<T>(work: () => T): T;
  close(): void;
}

/** `PRAGMA user_version` of what this hauki writes. */
const VERSION = 1;

/** synchronous=NORMAL: a power cut may take the last few steps back, and then what was delivered is delivered again. */
const SETTINGS = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512;';

const SCHEMA = `
CREATE TABLE hooks (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  secret TEXT NOT NULL,
  selection TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  delivered_at INTEGER,
  failing_since INTEGER,
  tries INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',
  disabled TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE dead (
  hook TEXT NOT NULL REFERENCES hooks (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  error TEXT NOT NULL,
  again INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (hook, seq)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = ${VERSION};
`;

interface HookRow {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
  readonly selection: string;
  readonly created_at: number;
  readonly cursor: number;
  readonly delivered_at: number | null;
  readonly failing_since: number | null;
  readonly tries: number;
  readonly error: string;
  readonly disabled: string | null;
  readonly dead: number;
}

const HOOKS = 'SELECT *, (SELECT count(*) FROM dead WHERE hook = id) AS dead FROM hooks';

/** Where the hooks, their secrets, how far each has got, and their dead letters are kept: one SQLite file of its own. */
export class Store {
  readonly #sql: Sql;

  /** @throws Error when the file cannot be used, or a newer hauki wrote it */
  constructor(sql: Sql) {
    this.#sql = sql;
    sql.exec(`${SETTINGS} PRAGMA foreign_keys = ON;`);
    const { user_version: version = 0 } = sql.prepare<{ user_version: number }>('PRAGMA user_version').get() ?? {};
    if (version > VERSION) throw new Error('a newer hauki wrote it');
    if (version === 0) sql.transaction(() => sql.exec(SCHEMA));
  }

  all(): Webhook[] {
    return this.#sql.prepare<HookRow>(`${HOOKS} ORDER BY created_at, id`).all().map(hookOf);
  }

  find(id: string): Webhook | undefined {
    const row = this.#sql.prepare<HookRow>(`${HOOKS} WHERE id = ?`).get(id);
    return row === undefined ? undefined : hookOf(row);
  }

  secretOf(id: string): string {
    return this.#sql.prepare<{ secret: string }>('SELECT secret FROM hooks WHERE id = ?').get(id)?.secret ?? '';
  }

  insert(hook: Pick<Webhook, 'id' | 'url' | 'selection' | 'createdAt' | 'cursor'>, secret: string): void {
    this.#sql
      .prepare('INSERT INTO hooks (id, url, secret, selection, created_at, cursor) VALUES (?, ?, ?, ?, ?, ?)')
      .run(hook.id, hook.url, secret, JSON.stringify(hook.selection), hook.createdAt, hook.cursor);
  }

  remove(id: string): void {
    this.#sql.prepare('DELETE FROM hooks WHERE id = ?').run(id);
  }

  /** Nothing of what came before was asked for. */
  moveTo(id: string, seq: number): void {
    this.#sql.prepare('UPDATE hooks SET cursor = ?, tries = 0 WHERE id = ?').run(seq, id);
  }

  delivered(id: string, seq: number, at: number): void {
    this.#sql
      .prepare(
        "UPDATE hooks SET cursor = ?, delivered_at = ?, failing_since = NULL, tries = 0, error = '' WHERE id = ?",
      )
      .run(seq, at, id);
  }

  failed(id: string, error: string, at: number): void {
    this.#sql
      .prepare('UPDATE hooks SET tries = tries + 1, error = ?, failing_since = coalesce(failing_since, ?) WHERE id = ?')
      .run(error, at, id);
  }

  /** Gives an event up: the cursor moves on, and the event is among the dead letters, or neither. */
  bury(id: string, letter: Omit<DeadLetter, 'again'>): void {
    this.#sql.transaction(() => {
      this.moveTo(id, letter.seq);
      this.#sql
        .prepare('INSERT OR REPLACE INTO dead (hook, seq, type, at, tries, error) VALUES (?, ?, ?, ?, ?, ?)')
        .run(id, letter.seq, letter.type, letter.at, letter.tries, letter.error);
    });
  }

  disable(id: string, why: string): void {
    this.#sql.prepare('UPDATE hooks SET disabled = ? WHERE id = ?').run(why, id);
  }

  dead(id: string, after: number, limit: number): DeadLetter[] {
    return this.#sql
      .prepare<Omit<DeadLetter, 'again'> & { again: number }>(
        'SELECT seq, type, at, tries, error, again FROM dead WHERE hook = ? AND seq > ? ORDER BY seq LIMIT ?',
      )
      .all(id, after, limit)
      .map((row) => ({ ...row, again: row.again === 1 }));
  }

  /** Marks dead letters to be tried once more, and begins again with a hook that was disabled. @returns how many */
  raise(id: string, seq?: number): number {
    return this.#sql.transaction(() => {
      this.#sql
        .prepare("UPDATE hooks SET disabled = NULL, failing_since = NULL, tries = 0, error = '' WHERE id = ?")
        .run(id);
      return seq === undefined
        ? this.#sql.prepare('UPDATE dead SET again = 1 WHERE hook = ?').run(id).changes
        : this.#sql.prepare('UPDATE dead SET again = 1 WHERE hook = ? AND seq = ?').run(id, seq).changes;
    });
  }

  nextRaised(id: string): DeadLetter | undefined {
    const sql = 'SELECT seq, type, at, tries, error FROM dead WHERE hook = ? AND again = 1 ORDER BY seq LIMIT 1';
    const row = this.#sql.prepare<Omit<DeadLetter, 'again'>>(sql).get(id);
    return row === undefined ? undefined : { ...row, again: true };
  }

  /** What came of trying a dead letter once more. @param error undefined: it was delivered, and is dead no more */
  raised(id: string, seq: number, error: string | undefined): void {
    if (error === undefined) this.#sql.prepare('DELETE FROM dead WHERE hook = ? AND seq = ?').run(id, seq);
    else {
      this.#sql
        .prepare('UPDATE dead SET again = 0, tries = tries + 1, error = ? WHERE hook = ? AND seq = ?')
        .run(error, id, seq);
    }
  }

  close(): void {
    this.#sql.close();
  }
}

function hookOf(row: HookRow): Webhook {
  const { id, url, cursor, tries, error, dead } = row;
  return {
    id,
    url,
    cursor,
    dead,
    selection: JSON.parse(row.selection) as Selection,
    createdAt: row.created_at,
    ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at }),
    ...(row.failing_since === null ? {} : { failing: { since: row.failing_since, tries, error } }),
    ...(row.disabled === null ? {} : { disabled: row.disabled }),
  };
}
