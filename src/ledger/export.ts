import { recordOf } from './chain.ts';
import { ledgerHome } from './home.ts';
import { openForReading } from './sqlite/inspect.ts';
import { pages } from './sqlite/pages.ts';
import { subjectOf } from './subject.ts';

/**
 * The records with `seq > after` as JSON texts without line ends: `{"seq","at","type","mutation","event","prev","hash"}`, `mutation`
 * being null where a record is about none. Whoever has them can check the chain without hauki:
 * `hash = sha256(prev ‖ "\n" ‖ seq ‖ "\n" ‖ event with sorted keys and no spaces)`. Works beside a running controller.
 *
 * @throws RefusedError `ledger_future`, `ledger_broken`, `ledger_unavailable`
 */
export async function* exportLines(home: string, after = 0): AsyncGenerator<string> {
  const database = openForReading(ledgerHome(home).database);
  if (database === undefined) return;
  try {
    for (const page of pages(database, after)) {
      for (const row of page) {
        const { seq, event, prev, hash } = recordOf(row);
        const { at, type } = event;
        yield JSON.stringify({ seq, at, type, mutation: subjectOf(event) ?? null, event, prev, hash });
      }
    }
  } finally {
    database.close();
  }
}
