import { existsSync, realpathSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { nodeRefusal } from '../../core/policy/policy.ts';
import type { Log } from '../../ports/log.ts';
import { checkVault, initVault } from '../../vault/gocryptfs.ts';
import { nameOf, withCipher } from '../../vault/cipher.ts';
import { openVault, orThrow } from '../../vault/vault.ts';
import { systemClock } from '../clock.ts';
import { oneLine, printJson, printRefusal, printText, say } from '../output.ts';
import { askKey, keyFrom, keyOf } from '../vault-key.ts';
import { type CipherOptions, cipherOf, keySourceOf, mountOf, nodeOf, vaultHome } from '../vault-settings.ts';

export { type RotateOptions, vaultRotate } from './vault-rotate.ts';
export { type StatusOptions, type UnmountOptions, vaultRemount, vaultStatus, vaultUnmount } from './vault-mounted.ts';

export interface InitOptions extends CipherOptions {
  readonly json?: boolean;
}

export type FsckOptions = InitOptions;

export interface MountOptions extends InitOptions {
  readonly mount?: string;
  readonly node?: readonly string[];
}

const EXIT_DAMAGED = 1;
/** A service has no second Ctrl-C: after so long what is in use is taken away from who uses it, ms. */
const BUSY_MS_MAX = 5_000;
const BUSY_EVERY_MS = 500;

/** `hauki vault init`. @returns the exit code */
export async function vaultInit(options: InitOptions): Promise<number> {
  const cipher = await cipherOf(options);
  const source = await keySourceOf(options);
  const made = await withCipher(cipher, vaultHome(), async (folder) => {
    // A key that is made is made for something: not before it is known that a vault can be here.
    if (existsSync(join(folder, 'gocryptfs.conf')))
      throw new RefusedError(refusal('vault_present', `There is a vault in ${nameOf(cipher)} already.`));
    const given =
      source === undefined
        ? { key: await askKey('Key for the new vault: ', { twice: true }), made: false }
        : 'file' in source
          ? keyFrom(source.file)
          : { key: orThrow(keyOf(source)()), made: false };
    const done = await initVault(folder, given.key);
    return done.ok ? { ok: true, value: { ...done.value, keyMade: given.made } } : done;
  });
  const { recoveryKey, keyMade } = orThrow(made);
  const shown = recoveryKey.match(/.{8}/g)?.join('-') ?? '';
  const keyFile = source !== undefined && 'file' in source ? source.file : undefined;
  if (options.json) {
    printJson({ status: 'ready', cipher: nameOf(cipher), recoveryKey: shown, ...(keyFile && { keyFile, keyMade }) });
    return 0;
  }
  printText(`vault         ${oneLine(nameOf(cipher))}`);
  if (keyFile !== undefined) printText(`key           ${oneLine(keyFile)}${keyMade ? ' (made now)' : ''}`);
  printText(`recovery key  ${shown}`);
  printText(`
The recovery key opens the vault without the key, for ever: rotating the key does not change it. It is shown this once and kept
nowhere. Write it on paper, or put it where you keep such things, and not on this machine. With it and the cipher folder:
  hauki vault rotate --cipher … --recovery --new-key-file …`);
  return 0;
}

/** `hauki vault mount`: until a signal comes. @returns the exit code */
export async function vaultMount(options: MountOptions): Promise<number> {
  const json = options.json ?? false;
  const cipher = await cipherOf(options);
  const mount = await mountOf(options);
  const nodes = options.node ?? (await nodeOf());
  for (const name of nodes) {
    const refused = nodeRefusal(name);
    if (refused !== undefined) throw new RefusedError(refused);
  }
  const source = await keySourceOf(options);
  const typed = source === undefined ? await askKey('Key of the vault: ') : undefined;
  const key = source === undefined ? () => ({ ok: true as const, value: typed ?? '' }) : keyOf(source);
  const signals = signalQueue();
  const vault = orThrow(
    await openVault({
      cipher,
      mount,
      key,
      home: vaultHome(),
      kind: 'mount',
      clock: systemClock,
      random: Math.random,
      log: inWords,
    }),
  );
  for (const node of nodes) vault.for(node);
  orThrow(await vault.start({ once: true }));
  const { view } = vault;
  if (json) printJson({ status: 'ready', ...view, nodes, pid: process.pid });
  else printText(`${oneLine(view.cipher)} is mounted on ${oneLine(view.mount)}; Ctrl-C unmounts it`);

  for (let force = false; ; force = true) {
    const signal = await signals.next();
    const until = performance.now() + (signal === 'SIGINT' ? 0 : BUSY_MS_MAX);
    let stopped = await vault.stop({ force });
    while (!stopped.ok && performance.now() < until) {
      await new Promise((done) => setTimeout(done, BUSY_EVERY_MS));
      stopped = await vault.stop();
    }
    if (stopped.ok) return 0;
    const { message } = stopped.error;
    if (signal === 'SIGINT') {
      printRefusal(
        { ...stopped.error, hint: 'Close that and press Ctrl-C again; it is taken away from them then.' },
        false,
      );
      continue;
    }
    say(`${oneLine(message)} It is taken away from them.`);
    await vault.stop({ force: true });
    return 0;
  }
}

/** `hauki vault fsck`. @returns the exit code */
export async function vaultFsck(options: FsckOptions): Promise<number> {
  const cipher = await cipherOf(options);
  const source = await keySourceOf(options);
  const key = source === undefined ? await askKey('Key of the vault: ') : orThrow(keyOf(source)());
  const report = orThrow(
    await withCipher(cipher, vaultHome(), (folder) =>
      checkVault(realFolder(folder), { key }, join(vaultHome(), 'fsck')),
    ),
  );
  const { healthy, damaged, count, skipped } = report;
  if (options.json) printJson({ status: healthy ? 'healthy' : 'damaged', cipher: nameOf(cipher), ...report });
  else {
    for (const what of damaged) printText(oneLine(what));
    if (count > damaged.length) printText(`… and ${count - damaged.length} more`);
    if (skipped > 0) printText(`${skipped} files could not be looked at, for lack of permission`);
    printText(
      healthy
        ? `Everything in ${oneLine(nameOf(cipher))} can be read.`
        : `${count} damaged. Take these from a snapshot of ${oneLine(nameOf(cipher))}; everything else can be read.`,
    );
  }
  return healthy ? 0 : EXIT_DAMAGED;
}

function realFolder(folder: string): string {
  return existsSync(folder) ? realpathSync(folder) : resolve(folder);
}

/** For people at a terminal: what the vault says of itself, in lines. */
const inWords: Log = {
  info: (fields, message) => {
    if (Number(fields['remounts']) > 0) say(message);
  },
  warn: ({ why }, message) => say(typeof why === 'string' ? `${message} (${oneLine(why)})` : oneLine(message)),
  error: ({ why }, message) => say(typeof why === 'string' ? `${oneLine(why)} ${oneLine(message)}` : oneLine(message)),
};

/** One after the other, none lost. */
function signalQueue(): { next(): Promise<NodeJS.Signals> } {
  const come: NodeJS.Signals[] = [];
  let waiting: ((signal: NodeJS.Signals) => void) | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (waiting === undefined) come.push(signal);
      else waiting(signal);
      waiting = undefined;
    });
  return {
    next: () =>
      new Promise((resolve) => {
        const first = come.shift();
        if (first === undefined) waiting = resolve;
        else resolve(first);
      }),
  };
}
