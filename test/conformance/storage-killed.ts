import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { needs } from '../needs.ts';
import type { Order } from '../storage/real/child.ts';
import { fingerprint, fingerprintAs } from '../storage/real/fingerprint.ts';
import { makeNasty, wreck } from '../storage/real/nasty.ts';
import { bundleChild, runChild } from '../storage/real/process.ts';
import { freeze, freshMutation, type RealGround, rollbackRequest, valueOf } from './storage-ground.ts';

/** Spread over the whole of a call. Where every process takes a second to start, in the lab, fewer have to do. */
const KILLS = Number(process.env['HAUKI_KILLS'] ?? 25);
/** A call that had ended before it was killed is made again and killed sooner, so often at most. */
const TRIES_MAX = 8;
const NOTHING = { added: [], modified: [], removed: [] };

/** Real deaths: a process that does the work is killed at moments spread over all of it. A part of storage-restore.ts. */
export function killedConformance(ground: () => RealGround): void {
  describe('killed in the middle', () => {
    let program: string;
    beforeAll(async () => {
      program = await bundleChild();
    });
    afterAll(() => rmSync(program, { force: true }));

    /** Kills calls in their middle, each of them: how long one takes differs from run to run. */
    function killer(msOnce: number) {
      let ms = msOnce;
      /** @param prepare makes the call ready, again for each try */
      return async (share: number, prepare: () => Order): Promise<void> => {
        for (let tries = 0; tries < TRIES_MAX; tries++) {
          const { killed, ms: lasted } = await runChild(program, prepare(), { killAfterMs: ms * share });
          if (killed) return;
          ms = Math.min(ms, lasted);
        }
        throw new Error(`a call ended ${TRIES_MAX} times before it could be killed`);
      };
    }

    function filled(): string {
      const folder = ground().folder();
      makeNasty(folder);
      execFileSync(
        'sh',
        ['-c', 'for d in $(seq 10); do mkdir x$d; for f in $(seq 20); do echo $d-$f > x$d/f$f; done; done'],
        { cwd: folder },
      );
      return folder;
    }

    needs('xattr', 'acl').describe('of a snapshot', () => {
      test(`${KILLS} times, it is there as a whole or not at all`, async () => {
        const folder = filled();
        const order = (mutation: string): Order => {
          const dataset = ground().nameOf(folder);
          const name = `${dataset}@PRE_${mutation}`;
          const properties = { intent: 'x', mutation, node: 'n', mode: 'standard', fence: 1 } as const;
          return {
            ...ground().order,
            call: { kind: 'snapshot', request: { mutation, snapshots: [{ dataset, name }], properties } },
          };
        };
        const killed = killer((await runChild(program, order(freshMutation()))).ms);
        const live = fingerprint(folder);
        let complete = 0;
        for (let kill = 0; kill < KILLS; kill++) {
          let mutation = '';
          await killed(kill / KILLS, () => order((mutation = freshMutation())));
          const { call } = order(mutation);
          if (call.kind !== 'snapshot') throw new Error('unreachable');
          const stored = async () => (await ground().open().list()).filter((one) => one.mutation === mutation);
          const found = await stored();
          complete += found.length;
          // Recovery asks again, or discards. Both must work, whatever is there.
          const again = kill % 2 === 0 ? valueOf(await ground().open().snapshot(call.request)) : [];
          for (const snapshot of again) expect(valueOf(await ground().open().diff(snapshot, 'live'))).toEqual(NOTHING);
          const there = await stored();
          expect(there).toHaveLength(Math.max(found.length, again.length));
          for (const { path = '' } of there) expect(fingerprintAs(path, folder)).toEqual(live);
          valueOf(await ground().open().discard(mutation));
          expect(await stored()).toEqual([]);
        }
        expect(complete).toBeLessThan(KILLS);
        expect(fingerprint(folder)).toEqual(live);
      }, 300_000);
    });

    needs('xattr', 'acl').describe('of a rollback', () => {
      test(`${KILLS} times, a second call ends it, with one evidence of the state as it failed`, async () => {
        const folder = filled();
        const before = fingerprint(folder);
        const mutation = freshMutation();
        const snapshot = await freeze(ground().open(), ground().nameOf(folder), mutation);
        const order = (attempt: number): Order => ({
          ...ground().order,
          call: { kind: 'rollback', request: rollbackRequest(snapshot, mutation, attempt) },
        });
        const spoil = () => {
          wreck(folder);
          execFileSync('sh', ['-c', 'rm -rf x1; for f in x2/* x3/*; do echo failed > $f; done; cp -r x4 x4-copy'], {
            cwd: folder,
          });
        };
        spoil();
        const undisturbed = await runChild(program, order(1));
        expect(undisturbed.answer).toMatchObject({ ok: true });
        const killed = killer(undisturbed.ms);
        let attempt = 1;
        for (let kill = 0; kill < KILLS; kill++) {
          let failed: unknown;
          await killed(kill / KILLS, () => {
            spoil();
            failed = fingerprint(folder);
            return order((attempt += 1));
          });
          const evidence = valueOf(
            await ground()
              .open()
              .rollback(rollbackRequest(snapshot, mutation, attempt)),
          );
          expect(fingerprint(folder)).toEqual(before);
          expect(fingerprintAs(evidence.path, folder)).toEqual(failed);
          const kept = (await ground().open().list()).filter((stored) => stored.name === evidence.name);
          expect(kept).toHaveLength(1);
        }
      }, 300_000);
    });
  });
}
