import { join } from 'node:path';

/** Where in HAUKI_HOME the ledger's files lie. Absolute when `home` is. */
export interface LedgerHome {
  readonly folder: string;
  readonly database: string;
  readonly savedHead: string;
  readonly privateKey: string;
  readonly publicKey: string;
  readonly lock: string;
  readonly pid: string;
}

export function ledgerHome(home: string): LedgerHome {
  const folder = join(home, 'ledger');
  return {
    folder,
    database: join(folder, 'ledger.db'),
    savedHead: join(folder, 'head.json'),
    privateKey: join(home, 'controller.key'),
    publicKey: join(home, 'controller.pub'),
    lock: join(home, 'controller.lock'),
    pid: join(home, 'controller.pid'),
  };
}
