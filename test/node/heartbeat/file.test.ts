import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readObject, replaceFile, WholeFile } from '../../../src/node/heartbeat/file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-file-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a file that is always whole', () => {
  it('holds what was written last, of many that came at once, and nothing lies beside it', async () => {
    const path = join(folder, 'heartbeat.json');
    const file = new WholeFile(path, (error) => {
      throw error;
    });
    for (let seq = 1; seq <= 500; seq += 1) file.write(`{"seq":${seq}}`);
    await file.settled();
    expect(readFileSync(path, 'utf8')).toBe('{"seq":500}');
    file.write('{"seq":501}');
    await file.settled();
    expect(await readObject(path)).toEqual({ seq: 501 });
    expect(readdirSync(folder)).toEqual(['heartbeat.json']);
  });

  it('writes through no link that somebody put in the place of its draft', async () => {
    const path = join(folder, 'heartbeat.json');
    writeFileSync(join(folder, 'precious'), 'mine');
    symlinkSync('precious', join(folder, '.heartbeat.json.new'));
    await replaceFile(path, '{}');
    expect(readFileSync(join(folder, 'precious'), 'utf8')).toBe('mine');
    expect(readFileSync(path, 'utf8')).toBe('{}');
  });

  it('says what failed, keeps what was there, and writes again when it can', async () => {
    const failures: string[] = [];
    const path = join(folder, 'none', 'heartbeat.json');
    const file = new WholeFile(path, (error) => failures.push(error.message));
    file.write('{}');
    await file.settled();
    expect(failures.join()).toMatch(/^ENOENT/);
  });

  it('reads nothing out of what is no object', async () => {
    for (const text of ['', '{', '3', 'null', '{"a":']) {
      writeFileSync(join(folder, 'x'), text);
      expect(await readObject(join(folder, 'x'))).toBeUndefined();
    }
    expect(await readObject(join(folder, 'none'))).toBeUndefined();
  });
});
