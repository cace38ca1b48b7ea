import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { nickOf } from '../../src/bin/irc-config.ts';
import { type NodeConfig, readNodeConfig } from '../../src/bin/node-config.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-node-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string): Promise<NodeConfig> {
  const file = join(folder, 'node.yaml');
  writeFileSync(file, text);
  return readNodeConfig(file);
}

describe('the settings of a node', () => {
  test('may name an IRC server, beside the link or instead of it', async () => {
    expect(await read('node: crm')).toMatchObject({ link: true, irc: undefined });
    const irc = 'irc: { server: irc.example.net, channel: "#control" }';
    expect(await read(irc)).toMatchObject({ link: true, irc: { port: 6_697, tls: true, flood: { burst: 6 } } });
    expect(await read(`link: false\n${irc}`)).toMatchObject({ link: false, irc: { channel: '#control' } });
  });

  test.each([
    ['link: false', /there is no irc/],
    ['irc: { server: irc.example.net }', /irc\.channel/],
    ['irc: { server: x, channel: "#c", controlChannel: "#d" }', /irc: .*controlChannel/],
    ['irc: { server: x, channel: "#c", password: secret }', /irc: .*password/],
  ])('refuses %s and says where', async (text, where) => {
    await expect(read(text)).rejects.toThrow(where);
  });

  test('are documented', async () => {
    const [, block = ''] = /```yaml\n(link:[\s\S]*?)```/.exec(readFileSync('docs/irc.md', 'utf8')) ?? [];
    expect(await read(block)).toMatchObject({ link: false, irc: { nick: 'crm' } });
  });
});

test('a node has a nick that is like its name', () => {
  expect(['crm', 'crm.prod', '7of9', 'a-name-that-is-longer'].map(nickOf)).toEqual([
    'crm',
    'crm_prod',
    'n7of9',
    'a-name-that-is-l',
  ]);
});
