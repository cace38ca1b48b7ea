import { describe, expect, test } from 'vitest';

import { hostAndPort, listenAddress, Networks } from '../../src/trust/networks.ts';

describe('networks from which peers are let in', () => {
  test.each([
    ['127.0.0.1', true],
    ['127.9.9.9', true],
    ['::1', true],
    ['10.0.0.1', true],
    ['10.255.255.255', true],
    ['::ffff:10.1.2.3', true],
    ['100.64.0.1', true],
    ['100.127.255.255', true],
    ['100.128.0.1', false],
    ['100.63.255.255', false],
    ['11.0.0.1', false],
    ['192.168.77.2', false],
    ['::ffff:192.168.77.2', false],
    ['172.16.0.1', false],
    ['8.8.8.8', false],
    ['2001:db8::1', false],
    ['fe80::1%eth0', false],
    ['', false],
    ['10.0.0', false],
    ['no address', false],
  ])('%s: %s', (address, expected) => {
    expect(new Networks().has(address)).toBe(expected);
  });

  test('can be more', () => {
    const networks = new Networks(['192.168.77.0/24', '203.0.113.9', 'fd00::/8']);
    expect(['192.168.77.2', '203.0.113.9', 'fd12::3'].every((one) => networks.has(one))).toBe(true);
    expect(['192.168.78.2', '203.0.113.8', 'fe00::1'].some((one) => networks.has(one))).toBe(false);
  });

  test.each(['', 'here', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/', '::/129'])('not %j', (network) => {
    expect(() => new Networks([network])).toThrow(/is no network/);
  });
});

describe('where a controller listens', () => {
  const listen = (text: string, named: readonly string[] = []): string => {
    const address = listenAddress(text, named);
    return address.ok ? hostAndPort(address.value) : address.error.code;
  };

  test.each([
    ['10.0.0.5:7717', '10.0.0.5:7717'],
    ['10.0.0.5', '10.0.0.5:7717'],
    ['100.64.3.2:0', '100.64.3.2:0'],
    ['127.0.0.1:80', '127.0.0.1:80'],
    ['[::1]:7718', '[::1]:7718'],
    ['::1', '[::1]:7717'],
    ['0.0.0.0:7717', 'address_refused'],
    ['0.0.0.0', 'address_refused'],
    ['[::]:7717', 'address_refused'],
    ['::', 'address_refused'],
    ['[0:0::0]:1', 'address_refused'],
    ['[::ffff:0.0.0.0]:1', 'address_refused'],
    ['192.168.1.5:7717', 'address_refused'],
    ['203.0.113.9:7717', 'address_refused'],
    ['10.0.0.5:65536', 'address_refused'],
    ['10.0.0.5:-1', 'address_refused'],
    ['host:7717', 'address_refused'],
    [':7717', 'address_refused'],
    ['', 'address_refused'],
  ])('%s: %s', (text, expected) => {
    expect(listen(text)).toBe(expected);
  });

  test('is anywhere that was named, but never everywhere', () => {
    expect(listen('203.0.113.9:7717', ['203.0.113.9'])).toBe('203.0.113.9:7717');
    expect(listen('203.0.113.8:7717', ['203.0.113.9'])).toBe('address_refused');
    expect(listen('0.0.0.0:7717', ['0.0.0.0'])).toBe('address_refused');
  });

  test('a refusal says what to write', () => {
    const refused = listenAddress('203.0.113.9:7717', []);
    expect(refused).toMatchObject({
      error: { hint: expect.stringContaining('listenAnywhere: ["203.0.113.9"]') as string },
    });
  });
});
