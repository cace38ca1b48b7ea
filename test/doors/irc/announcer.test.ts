import { afterEach, describe, expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import { Announcer } from '../../../src/doors/irc/announcer.ts';
import { Feed } from '../../../src/engine/feed.ts';
import type { EventBody } from '../../../src/core/event.ts';
import type { Controller } from '../../../src/engine/controller.ts';
import type { LedgerRecord } from '../../../src/ports/ledger.ts';
import { VirtualClock } from '../../engine/place.ts';

/** A ledger to be read, and a server that takes lines until it is cut off. */
class Scene {
  readonly clock = new VirtualClock();
  readonly records: LedgerRecord[] = [];
  readonly said: string[] = [];
  readonly feed = new Feed();
  kept: number | undefined;
  /** What the server has taken in of what was said. */
  answers = true;
  up = true;
  announcer = this.another();

  /** As after a restart: it knows only the cursor. */
  another(): Announcer {
    const last = (): LedgerRecord | undefined => this.records.at(-1);
    return new Announcer({
      controller: {
        engine: { feed: this.feed } as Controller['engine'],
        find: async () => undefined,
        head: async () => {
          const { seq = 0, hash = '' } = last() ?? {};
          return seq === 0 ? undefined : { seq, hash, signature: `signed${seq}` };
        },
        records: async (after, limit) => this.records.slice(after, after + limit),
      },
      voice: {
        isIn: () => this.up,
        say: async (_urgency, _target, text) => {
          if (this.up) this.said.push(text);
          return this.up;
        },
        heard: async () => this.up && this.answers,
      },
      channel: '#mesh',
      cursor: {
        read: () => this.kept,
        write: (seq) => {
          this.kept = seq;
        },
      },
      headMs: 60_000,
      clock: this.clock,
      log: { info: () => {}, warn: () => {}, error: () => {} },
    });
  }

  happen(...bodies: EventBody[]): void {
    for (const body of bodies) {
      const seq = this.records.length + 1;
      const event = { at: 0, mono: 0, ...body };
      this.records.push({ seq, event, prev: '', hash: `hash${seq}` });
      this.feed.publish(this.records.slice(-1), () => {});
    }
  }

  seals(count: number, from = 1): void {
    this.happen(...Array.from({ length: count }, (_, index) => unsealed(from + index)));
  }

  /** The numbers of the datasets told of, in order. */
  told(): number[] {
    return this.said.flatMap((line) => [...line.matchAll(/Unsealed '(\d+)'/g)].map(([, number]) => Number(number)));
  }
}

function unsealed(number: number): EventBody {
  return { type: 'unsealed', dataset: String(number) };
}

let scene: Scene;

async function begin(kept?: number): Promise<void> {
  scene.kept = kept;
  scene.announcer.start();
  await scene.clock.pass(1);
}

describe('the news', () => {
  afterEach(async () => {
    scene.up = false;
    await scene.announcer.stop();
  });

  test('begin at the newest the first time, and go on where they were after that', async () => {
    scene = new Scene();
    scene.seals(10);
    await begin();
    expect(scene.told()).toEqual([10]);
    scene.seals(2, 11);
    await scene.clock.pass(2_000);
    expect(scene.told()).toEqual([10, 11, 12]);
    expect(scene.kept).toBe(12);
    await scene.announcer.stop();
    scene.seals(2, 13);
    scene.announcer = scene.another();
    await begin(scene.kept);
    expect(scene.told()).toEqual([10, 11, 12, 13, 14]);
  });

  test('are told again when the server died before it answered for them', async () => {
    scene = new Scene();
    await begin(0);
    scene.seals(2);
    await scene.clock.pass(2_000);
    scene.answers = false;
    scene.seals(2, 3);
    await scene.clock.pass(2_000);
    expect(scene.told()).toEqual([1, 2, 3, 4]);
    scene.up = false;
    scene.seals(1, 5);
    await scene.clock.pass(2_000);
    scene.up = true;
    scene.answers = true;
    scene.announcer.joined();
    await scene.clock.pass(2_000);
    expect(scene.told()).toEqual([1, 2, 3, 4, 3, 4, 5]);
    expect(scene.kept).toBe(5);
  });

  test('of a long absence are told in one line that says what was grave, and the newest of them in full', async () => {
    scene = new Scene();
    scene.seals(300);
    scene.happen({ type: 'quarantined', mutation: 'm', reason: refusal('lease_expired', 'It ran out.') });
    scene.seals(99, 302);
    await begin(20);
    expect(scene.said[0]).toBe(
      'Skipped 370 records (21 to 390), among them 1 quarantined. All of them: hauki watch --after 20',
    );
    expect(scene.told()).toEqual([391, 392, 393, 394, 395, 396, 397, 398, 399, 400]);
  });

  test('leave out renewals', async () => {
    scene = new Scene();
    await begin(0);
    scene.happen({ type: 'renewed', mutation: 'm', expiresAt: 0 }, unsealed(2));
    await scene.clock.pass(2_000);
    expect(scene.said.filter((line) => !line.startsWith('head'))).toHaveLength(1);
    expect(scene.kept).toBe(2);
  });

  test('come with the head of the ledger: at once, then at intervals and only when it is new', async () => {
    scene = new Scene();
    const heads = (): string[] => scene.said.filter((line) => line.startsWith('head '));
    scene.seals(3);
    await begin(0);
    expect(heads()).toEqual(['head 3 hash3 signed3']);
    scene.seals(1, 4);
    await scene.clock.pass(1_000);
    scene.seals(1, 5);
    await scene.clock.pass(50_000);
    expect(heads()).toHaveLength(1);
    await scene.clock.pass(10_000);
    expect(heads()).toEqual(['head 3 hash3 signed3', 'head 5 hash5 signed5']);
    await scene.clock.pass(600_000);
    expect(heads()).toHaveLength(2);
  });

  test('warn of a ledger that is shorter than what was announced', async () => {
    scene = new Scene();
    scene.seals(4);
    await begin(9);
    expect(scene.said[0]).toMatch(/^WARNING: records up to 9 were announced here, and the ledger ends at 4\./);
    scene.seals(1, 5);
    await scene.clock.pass(2_000);
    expect(scene.told()).toEqual([5]);
  });

  test('are given up for nothing: a ledger that cannot be read is read later', async () => {
    scene = new Scene();
    await begin(0);
    const { records } = scene;
    scene.seals(1);
    Object.defineProperty(scene, 'records', {
      configurable: true,
      get: () => {
        throw new Error('the disk is gone');
      },
    });
    scene.announcer.wake();
    await scene.clock.pass(1_000);
    Object.defineProperty(scene, 'records', { value: records });
    await scene.clock.pass(6_000);
    expect(scene.told()).toEqual([1]);
  });
});
