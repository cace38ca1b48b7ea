import { readFileSync } from 'node:fs';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { type Verdict, verify } from '../../ledger/audit.ts';
import { exportLines } from '../../ledger/export.ts';
import type { Head } from '../../ports/ledger.ts';
import { replay } from '../compose.ts';
import { homeFrom } from '../home.ts';
import { oneLine, printJson, printText, readerIsGone, say } from '../output.ts';

/** `hauki audit verify | export`: reads the ledger of this HAUKI_HOME itself, whether or not a controller runs on it. */

export interface ExportOptions {
  readonly after?: string;
}

export const EXIT_BROKEN = 1;

export interface VerifyOptions {
  readonly head?: string;
  readonly json?: boolean;
}

export async function auditVerify(options: VerifyOptions): Promise<number> {
  const witness = options.head === undefined ? undefined : headIn(options.head);
  const verdict = await verify(homeFrom(process.env).root, {
    replay,
    ...(witness === undefined ? {} : { witness }),
  }).catch(unreadable);
  if (options.json) printJson(verdict);
  else {
    for (const note of verdict.notes) say(`note: ${oneLine(note)}`);
    if (verdict.firstBroken === undefined) {
      const { head } = verdict;
      printText(
        `the ledger is whole: ${verdict.records} records, the chain and its signed head hold${head === undefined ? '' : `\nhead       ${head.seq} ${head.hash}`}`,
      );
    } else {
      printText(`the ledger is BROKEN at record ${verdict.firstBroken.seq}: ${oneLine(verdict.firstBroken.problem)}`);
    }
  }
  return verdict.ok ? 0 : EXIT_BROKEN;
}

/** A ledger that is none any more is a broken one. @throws whatever else kept it from being read */
export function unreadable(error: unknown): Verdict {
  if (!(error instanceof RefusedError) || error.refusal.code !== 'ledger_broken') throw error;
  return { ok: false, records: 0, firstBroken: { seq: 1, problem: error.refusal.message }, notes: [] };
}

/** A head kept elsewhere: the `head` of an earlier `hauki audit verify --json`, or that document whole. */
function headIn(path: string): Head {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as { head?: Head } & Partial<Head>;
    const head = value.head ?? value;
    if (typeof head.seq === 'number' && typeof head.hash === 'string' && typeof head.signature === 'string') {
      return { seq: head.seq, hash: head.hash, signature: head.signature };
    }
  } catch {
    // Said below.
  }
  throw new RefusedError(
    refusal(
      'usage',
      `${path} holds no head of a ledger.`,
      'Keep the output of "hauki audit verify --json" and name that file.',
    ),
  );
}

export async function auditExport(options: ExportOptions): Promise<number> {
  const after = Number(options.after ?? '0');
  if (!Number.isSafeInteger(after) || after < 0)
    throw new RefusedError(
      refusal('usage', `"${options.after}" is no record number.`, 'Give the last record you have: --after 120.'),
    );
  for await (const line of exportLines(homeFrom(process.env).root, after)) {
    printText(line);
    if (readerIsGone()) break;
  }
  return 0;
}
