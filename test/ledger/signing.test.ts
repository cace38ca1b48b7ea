import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { controllerKey, headVerifies, passingSigner, publicKeyOf } from '../../src/ledger/signing.ts';

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'hauki-key-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("the controller's key", () => {
  test('is made at the first start, readable by its owner alone, and stays', () => {
    const first = controllerKey(home);
    expect(statSync(join(home, 'controller.key')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(home, 'controller.key'), 'utf8')).toContain('BEGIN PRIVATE KEY');
    expect(controllerKey(home).publicKey.equals(first.publicKey)).toBe(true);
    expect(publicKeyOf(home)?.equals(first.publicKey)).toBe(true);
  });

  test('its public half is made again when it is missing', () => {
    const { publicKey } = controllerKey(home);
    rmSync(join(home, 'controller.pub'));
    expect(publicKeyOf(home)).toBeUndefined();
    controllerKey(home);
    expect(publicKeyOf(home)?.equals(publicKey)).toBe(true);
  });

  test('a file that holds something else is refused, and not overwritten', () => {
    writeFileSync(join(home, 'controller.key'), 'not a key');
    expect(() => controllerKey(home)).toThrow('holds no ed25519 private key');
    expect(readFileSync(join(home, 'controller.key'), 'utf8')).toBe('not a key');
  });
});

describe('a signed head', () => {
  test('verifies with its key, and with nothing changed', () => {
    const signer = passingSigner();
    const head = signer.sign(7, 'a'.repeat(64));
    expect(headVerifies(head, signer.publicKey)).toBe(true);
    expect(headVerifies(head, passingSigner().publicKey)).toBe(false);
    expect(headVerifies({ ...head, seq: 8 }, signer.publicKey)).toBe(false);
    expect(headVerifies({ ...head, hash: 'b'.repeat(64) }, signer.publicKey)).toBe(false);
    expect(headVerifies({ ...head, signature: '' }, signer.publicKey)).toBe(false);
    expect(headVerifies({ ...head, signature: 'ünïcode!' }, signer.publicKey)).toBe(false);
  });
});
