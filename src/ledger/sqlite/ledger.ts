import type { Ledger } from '../../ports/ledger.ts';
import type { SavedHead } from '../saved-head.ts';
import type { Appender } from './append.ts';
import type { Database } from './database.ts';
import { refused } from './failure.ts';
import * as questions from './questions.ts';

/** What `openSqliteLedger` has opened and checked. */
export interface OpenLedger {
  readonly path: string;
  readonly savedHead: SavedHead;
  readonly database: Database;
  readonly appender: Appender;
}

/**
 * The ledger in one SQLite file. SQLite answers in microseconds and an append waits for one fsync, so all of it runs on the
 * caller's thread: the engine's group commit, not concurrency, is what makes it fast.
 */
export function sqliteLedger({ path, savedHead, database, appender }: OpenLedger): Ledger {
  let open = true;
  const opened = (): Database => {
    if (!open) throw new Error(`the ledger ${path} is closed`);
    return database;
  };
  return {
    async load() {
      return questions.loadState(opened());
    },
    async append(events, touched, state) {
      opened();
      try {
        const records = appender.append(events, touched, state);
        if (appender.head !== undefined) savedHead.save(appender.head);
        return records;
      } catch (error) {
        // A TypeError is a defect in the caller, not the disk's fault.
        if (error instanceof TypeError) throw error;
        throw refused(`Writing ${events.length} event(s) to ${path}`, error);
      }
    },
    async find(id) {
      return questions.findMutation(opened(), id);
    },
    async findByKey(key) {
      return questions.findByKey(opened(), key);
    },
    async query(query) {
      return questions.queryMutations(opened(), query);
    },
    async newerOverlapping(mutation, datasets) {
      return questions.newerOverlapping(opened(), mutation, datasets);
    },
    async countByStage() {
      return questions.countByStage(opened());
    },
    async records(after, limit) {
      return questions.recordsAfter(opened(), after, limit);
    },
    async recordsOf(id) {
      return questions.recordsOf(opened(), id);
    },
    async head() {
      opened();
      return appender.head;
    },
    async close() {
      if (!open) return;
      open = false;
      savedHead.close();
      try {
        // One file then holds everything: copied on its own, it is a whole backup.
        database.checkpoint();
      } catch {
        // All that was appended is durable in the WAL as well; the next start finds it there.
      } finally {
        database.close();
      }
    },
  };
}
