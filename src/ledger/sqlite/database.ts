// The one place that names the SQLite binding. It has the API of node:sqlite, which takes its place once Node 24 is the floor.
import { DatabaseSync } from '@photostructure/sqlite';

export type Value = string | number | null;

export interface Statement<Row> {
  get(...values: readonly Value[]): Row | undefined;
  all(...values: readonly Value[]): Row[];
  run(...values: readonly Value[]): { readonly changes: number };
}

type Connection = InstanceType<typeof DatabaseSync>;

/** How long a call waits for another process's lock. It blocks the event loop, so it is short. */
const BUSY_MS = 1_000;

/** A connection with typed rows, statements prepared once, and transactions that leave nothing behind when they fail. */
export class Database {
  readonly #connection: Connection;
  readonly #statements = new Map<string, Statement<never>>();

  /** @param options `readOnly` writes nothing, also not when the file's last writer died */
  constructor(path: string, options: { readonly readOnly?: boolean; readonly busyMs?: number } = {}) {
    this.#connection = new DatabaseSync(path, {
      readOnly: options.readOnly ?? false,
      timeout: options.busyMs ?? BUSY_MS,
    });
  }

  exec(sql: string): void {
    this.#connection.exec(sql);
  }

  prepare<Row>(sql: string): Statement<Row> {
    let statement = this.#statements.get(sql) as Statement<Row> | undefined;
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement as Statement<never>);
    }
    return statement;
  }

  /** All of `work` becomes durable, or none of it. */
  transaction<T>(work: () => T): T {
    this.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.exec('COMMIT');
      return result;
    } catch (error) {
      // On some errors (disk full) SQLite has already rolled back by itself.
      if (this.#connection.isTransaction) this.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * The binding (1.2.1) cannot finalize a statement, and SQLite keeps the files of a closed connection open until the last of its
   * statements was garbage-collected. So nothing may depend on that: whoever holds a transaction ends it first, and a writer that
   * wants its WAL emptied says so with `checkpoint`.
   */
  close(): void {
    this.#statements.clear();
    this.#connection.close();
  }

  /** Moves the WAL into the database file and empties it, as far as nobody reads from it. */
  checkpoint(): void {
    this.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }
}
