import type { LookupAddress } from 'node:dns';

import { describe, expect, test } from 'vitest';

import { type Lookup, Targets } from '../../src/webhooks/target.ts';

/** A resolver that knows these names. */
function resolving(names: Readonly<Record<string, readonly string[]>>): Lookup {
  return (host, _options, answer) => {
    const found = names[host];
    if (found === undefined) return answer(new Error(`ENOTFOUND ${host}`), []);
    answer(
      null,
      found.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
}

const NAMES = resolving({
  inside: ['10.1.2.3'],
  outside: ['93.184.215.14'],
  both: ['93.184.215.14', '100.64.0.9', '2606:2800::1'],
  metadata: ['169.254.169.254'],
  mapped: ['::ffff:10.0.0.1', '::ffff:8.8.8.8'],
});

/** What `net.connect` would be given, as it asks: for one address, and for all. */
function connecting(targets: Targets, host: string): { one: unknown; all: unknown } {
  const asked = (all: boolean): unknown => {
    let got: unknown;
    targets.lookup()(host, { all }, (error, address) => (got = error?.message ?? address));
    return got;
  };
  return { one: asked(false), all: asked(true) };
}

describe('an address', () => {
  test.each([
    'http://127.0.0.1:8080/x',
    'https://10.255.255.255/',
    'http://100.127.0.1/',
    'http://[::1]:9/',
    'http://localhost/',
    'https://any.name.at/all',
    'http://2130706433/',
    'http://0x7f.1/',
  ])('may be called, as far as one can see: %s', (url) => {
    expect(new Targets([], NAMES).check(url)).toMatchObject({ ok: true });
  });

  test.each([
    'http://8.8.8.8/',
    'http://192.168.1.1/',
    'http://172.16.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://0.0.0.0/',
    'http://100.128.0.1/',
    'http://[fe80::1]/',
    'http://[::ffff:8.8.8.8]/',
    'http://134744072/',
    'http://0x08.8.8.8/',
    'ftp://10.0.0.1/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'http://user:pass@10.0.0.1/',
    'http://10.0.0.1/#fragment',
    'not a url',
    '',
  ])('may not be called: %s', (url) => {
    expect(new Targets([], NAMES).check(url)).toMatchObject({ ok: false, error: { code: 'webhook_refused' } });
  });

  test('is judged by what its name means at the moment of the call', () => {
    const targets = new Targets([], NAMES);
    expect(connecting(targets, 'inside')).toEqual({ one: '10.1.2.3', all: [{ address: '10.1.2.3', family: 4 }] });
    expect(connecting(targets, 'both')).toEqual({ one: '100.64.0.9', all: [{ address: '100.64.0.9', family: 4 }] });
    expect(connecting(targets, 'mapped').all).toEqual([{ address: '::ffff:10.0.0.1', family: 6 }]);
    for (const host of ['outside', 'metadata'])
      expect(Object.values(connecting(targets, host)).join()).toMatch(/may not call .*may not call /);
    expect(connecting(targets, 'nowhere').one).toContain('ENOTFOUND');
  });

  test('that the operator names may be called: a host, an address, a network', () => {
    const targets = new Targets(['Outside', '192.168.7.7', '172.16.0.0/12', 'fd00::/8'], NAMES);
    expect(connecting(targets, 'outside').one).toBe('93.184.215.14');
    expect(connecting(targets, 'metadata').one).toContain('may not call');
    for (const url of ['http://192.168.7.7/', 'http://172.31.1.1/', 'http://[fd12::1]/'])
      expect(targets.check(url)).toMatchObject({ ok: true });
    for (const url of ['http://192.168.7.8/', 'http://172.32.1.1/', 'http://[fe80::1]/'])
      expect(targets.check(url)).toMatchObject({ ok: false });
  });
});
