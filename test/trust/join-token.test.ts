import { describe, expect, test } from 'vitest';

import { readToken, writeToken } from '../../src/trust/join-token.ts';

const TOKEN = {
  controllers: ['10.0.0.5:7717', 'store.example:7717'],
  mesh: '0123456789abcdef',
  caFingerprint: 'ab'.repeat(32),
  secret: 's'.repeat(43),
  node: 'crm',
  expiresAt: 1_800_000_000_000,
};
const code = (text: string): string => {
  const read = readToken(text);
  return read.ok ? 'taken' : `${read.error.code}: ${read.error.message}`;
};

describe('a join token', () => {
  test('is one line that can be copied into a shell, and read again', () => {
    const text = writeToken(TOKEN);
    expect(text).toMatch(/^hauki-join1\.[A-Za-z0-9_-]+$/);
    expect(readToken(`  ${text}\n`)).toEqual({ ok: true, value: TOKEN });
  });

  test('that is mistyped anywhere is told so at once', () => {
    const text = writeToken(TOKEN);
    for (let at = 'hauki-join1.'.length; at < text.length; at += 7) {
      const other = text[at] === 'A' ? 'B' : 'A';
      expect(code(text.slice(0, at) + other + text.slice(at + 1))).toMatch(/^token_invalid: .*checksum/);
    }
  });

  test.each([
    ['cut off', writeToken(TOKEN).slice(0, -5)],
    ['with a character too many', `${writeToken(TOKEN)}A`],
    ['with a space in it', writeToken(TOKEN).replace('.', '. ')],
    ['without its inside', 'hauki-join1.'],
    ['with emoji', 'hauki-join1.🦉🦉🦉🦉'],
  ])('%s', (_, text) => {
    expect(code(text)).toMatch(/^token_invalid: .*checksum/);
  });

  test('of another version, and what is none', () => {
    expect(code('hauki-join2.abc')).toMatch(/^token_invalid: .*another version/);
    expect(code('')).toMatch(/^token_invalid: .*no join token/);
    expect(code('x'.repeat(1_000_000))).toMatch(/^token_invalid/);
  });
});
