import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';

import { issueNode, makeRequest, newAuthority } from '../../src/trust/certificate.ts';
import { newKey } from '../../src/trust/key.ts';
import { type Identity, keepIdentity, keepJoined } from '../../src/trust/node-home.ts';
import { renewInTime } from '../../src/trust/renewal.ts';
import { T0 } from '../core/story.ts';
import { VirtualClock } from '../engine/place.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const home = mkdtempSync(join(tmpdir(), 'hauki-renewal-'));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

test(
  'a certificate is renewed at two thirds of its time, again and again, and tried again when it failed',
  { timeout: 20_000 },
  async () => {
    const clock = new VirtualClock();
    const ca = await newAuthority('0123456789abcdef', { now: T0, expiresAt: T0 + 1_000 * DAY });
    // Made beforehand: making one takes time of its own, which the clock of this test knows nothing of.
    const certified = async (day: number): Promise<Identity> => {
      const key = newKey();
      const validity = { now: T0 + day * DAY, expiresAt: T0 + (day + 30) * DAY };
      return {
        key,
        controller: { name: 'store', publicKey: '' },
        certificate: await issueNode(ca, await makeRequest(key, 'crm'), 'crm', validity),
      };
    };
    const [first, second, third] = [await certified(0), await certified(20), await certified(40)];
    const described = { node: 'crm', mesh: '0123456789abcdef', controllers: ['store:7717'] };
    await keepJoined(home, described, first, ca.certificate);

    const tried: number[] = [];
    const stop = renewInTime(home, {
      clock,
      log: quiet,
      random: () => 0.5,
      rotate: async () => {
        tried.push(Math.floor((clock.now() - T0) / HOUR));
        if (tried.length === 1) throw new Error('the controller is away');
        keepIdentity(home, tried.length === 2 ? second : third);
      },
    });
    await clock.pass(19 * DAY);
    expect(tried).toEqual([]);
    await clock.pass(24 * DAY);
    // At two thirds of thirty days; once more an hour later; and twenty days after that.
    expect(tried.map((hours) => Math.round(hours / 24))).toEqual([20, 20, 40]);
    stop();
    await clock.pass(30 * DAY);
    expect(tried).toHaveLength(3);
  },
);
