import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import { RefusedError } from '../../src/base/refusal.ts';
import { type Config, readConfig } from '../../src/bin/config.ts';
import { DEFAULT_POLICY } from '../../src/core/policy/policy.ts';

const folder = mkdtempSync(join(tmpdir(), 'hauki-config-'));
const path = join(folder, 'config.yaml');
afterEach(() => rmSync(path, { force: true }));

function read(text: string): Config {
  writeFileSync(path, text);
  return readConfig(path);
}

function fault(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof RefusedError) return `${error.refusal.code}: ${error.refusal.message}`;
    throw error;
  }
  return 'taken';
}

/** What stands under `irc` when nothing is said of it. */
function defaults(text: string): object {
  const { server, channel, accounts, ...rest } = read(text).irc ?? {};
  expect([server, channel, accounts]).toHaveLength(3);
  return rest;
}

describe('config.yaml', () => {
  test('is not needed', () => {
    expect(readConfig(path).policy).toEqual(DEFAULT_POLICY);
    expect(read('').policy).toEqual(DEFAULT_POLICY);
  });

  test('changes what it names and nothing else', () => {
    const { policy, reserve } = read(
      'retention: { failed: { age: 7d } }\nlease: { grace: 5s }\nreserve: { percent: 10 }\nnodes: { bot: { datasets: [/srv], ttlMax: 1m } }\n',
    );
    expect(policy).toEqual({
      ...DEFAULT_POLICY,
      graceMs: 5_000,
      retention: {
        ...DEFAULT_POLICY.retention,
        failed: { ...DEFAULT_POLICY.retention.failed, ageMsMax: 7 * 86_400_000 },
      },
      nodes: { bot: { datasets: ['/srv'], ttlMsMax: 60_000 } },
    });
    expect(reserve).toEqual({ share: 0.1, bytesMax: 256 * 1024 * 1024 });
  });

  test.each([
    ['retention: { comitted: { count: 5 } }', /retention: .*comitted/],
    ['retention: { committed: { count: 0 } }', /retention\.committed\.count/],
    ['lease: { grace: 5 }', /lease\.grace/],
    ['lease: { grace: soon }', /"soon" is not a duration/],
    ['- a list', /the file/],
    ['retention: {', /cannot be used/],
    ['critical: { datasets: /srv }', /critical\.datasets/],
    ['critical: { dataset: [/srv] }', /critical: .*dataset/],
    ['nodes: { bot: { datasets: /srv } }', /nodes\.bot\.datasets/],
    ['nodes: { bot: { modes: [fast] } }', /nodes\.bot\.modes/],
    ['nodes: { bot: { rate: -1 } }', /nodes\.bot\.rate/],
    ['listen: 10.0.0.5:7717', /listen/],
    ['irc: { server: irc.example.net }', /irc\.channel: a channel in quotes/],
    ['irc:\n  server: irc.example.net\n  channel: #mesh', /irc\.channel: a channel in quotes/],
    ['irc: { server: "irc.example.net\\r\\nQUIT", channel: "#mesh" }', /irc\.server: a host name/],
    ['irc: { server: irc.example.net, channel: "#mesh\\r\\nQUIT" }', /irc\.channel: a channel is/],
    ['irc: { server: irc.example.net, channel: "#mesh", nick: "two words" }', /irc\.nick: a nick/],
    ['irc: { server: irc.example.net, channel: "#mesh", password: secret }', /irc: .*password/],
    ['irc: { server: irc.example.net, channel: "#mesh", controlChannel: "#MESH" }', /irc\.controlChannel: /],
    ['irc: { server: irc.example.net, channel: "#a-rather-long-name-of-a-channel" }', /irc\.channel: nick and channel/],
    ['irc: { server: irc.example.net, channel: "#mesh", heads: often }', /"often" is not a duration/],
  ])('refuses %s and says where', (text, where) => {
    const said = fault(text);
    expect(said).toMatch(/^usage: /);
    expect(said).toMatch(where);
  });

  test('says what a node may do, and where nodes are let in', () => {
    const text =
      'nodes: { bot: { modes: [standard], rate: 3 } }\nlisten: ["10.0.0.5:7717"]\nlistenAnywhere: ["203.0.113.9"]\nallowNetworks: [192.168.7.0/24]\n';
    const { policy, mesh } = read(text);
    expect(policy.nodes).toEqual({ bot: { modes: ['standard'], rate: 3 } });
    expect(mesh).toEqual({
      listen: ['10.0.0.5:7717'],
      listenAnywhere: ['203.0.113.9'],
      allowNetworks: ['192.168.7.0/24'],
    });
  });

  test('of an IRC server needs little', () => {
    const irc = { nick: 'hauki', channel: '#mesh', accounts: [], heads: 300_000 };
    expect(read('irc: { server: irc.example.net, channel: "#mesh" }').irc).toMatchObject({
      ...irc,
      port: 6_697,
      tls: true,
    });
    expect(read('irc: { server: "::1", channel: "#mesh", tls: false }').irc).toMatchObject({ ...irc, port: 6_667 });
  });

  test('is documented with its true defaults', () => {
    const page = readFileSync('docs/configuration.md', 'utf8');
    const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    const { policy, reserve, mesh } = read(example);
    expect(mesh).toEqual({ listen: [], listenAnywhere: [], allowNetworks: [] });
    expect({ ...policy, nodes: {} }).toEqual(DEFAULT_POLICY);
    expect(reserve).toEqual(readConfig(join(folder, 'not there')).reserve);
    expect(Object.keys(policy.nodes)).toEqual(['deploy-bot']);
    const [, block = ''] = /```yaml\n(irc:[\s\S]*?)```/.exec(readFileSync('docs/irc.md', 'utf8')) ?? [];
    const { server, channel, controlChannel, passwordFile, sasl, accounts, signers, ...rest } = read(block).irc ?? {};
    expect([server, channel, controlChannel, passwordFile, sasl, accounts, signers]).not.toContain(undefined);
    expect(rest).toEqual({ ...defaults('irc: { server: x, channel: "#x" }'), tls: { ca: 'irc-ca.pem' } });
  });
});
