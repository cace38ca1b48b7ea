import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { CONTROLLER_UNIT, controllerUnit } from '../../src/install/controller-unit.ts';
import { LAYOUT } from '../../src/install/node.ts';
import { NODE_UNIT, nodeUnit } from '../../src/install/node-unit.ts';
import { needs } from '../needs.ts';

const PACKAGING = join(import.meta.dirname, '../../packaging/systemd');
const shipped = (name: string): string => readFileSync(join(PACKAGING, name), 'utf8');

describe('the units in packaging/', () => {
  test('are what the installation writes', () => {
    const argv = ['/usr/bin/node', '/usr/lib/node_modules/hauki/dist/hauki.cjs', 'controller'];
    expect(shipped(CONTROLLER_UNIT)).toBe(controllerUnit({ argv, home: '/var/lib/hauki' }));
    expect(shipped(NODE_UNIT)).toBe(nodeUnit(LAYOUT));
  });
});

/** What `systemd-analyze security` says of a unit, with a drop-in, without asking a running systemd. */
function exposure(unit: string, dropIn = ''): number {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-unit-'));
  try {
    const file = join(folder, unit);
    // An offline look reads no drop-ins: the last setting of a name counts in one file as well.
    writeFileSync(file, `${shipped(unit)}\n${dropIn === '' ? '' : shipped(dropIn)}`);
    const analyze = ['security', '--offline=true', '--no-pager', file];
    const { stdout } = spawnSync('systemd-analyze', analyze, { encoding: 'utf8' });
    return Number(/: (\d+\.\d)/.exec(stdout)?.[1] ?? 'NaN');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

needs('systemd-analyze').describe('systemd judges', () => {
  test.each([
    [CONTROLLER_UNIT, '', 5.1],
    [CONTROLLER_UNIT, 'hauki-controller.strict.conf', 3.0],
    [NODE_UNIT, '', 5.9],
    [NODE_UNIT, 'shadow-writer.strict.conf', 4.0],
  ])('%s with %j: at most %d', (unit, dropIn, most) => {
    expect(exposure(unit, dropIn)).toBeLessThanOrEqual(most);
  });
});
