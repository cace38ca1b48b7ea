import { describe, expect, test } from 'vitest';

import { type Context, contextName, parseContext } from '../../src/wire/context.ts';

describe('a context', () => {
  test.each<[string, Context]>([
    ['local', { via: 'local' }],
    ['lxd:crm', { via: 'lxd', instance: 'crm' }],
    ['lxd:hauki-crm-2', { via: 'lxd', instance: 'hauki-crm-2' }],
    ['incus:c', { via: 'incus', instance: 'c' }],
    [`lxd:${'a'.repeat(63)}`, { via: 'lxd', instance: 'a'.repeat(63) }],
    ['ssh:db1', { via: 'ssh', host: 'db1' }],
    ['ssh:root@db1.example.org', { via: 'ssh', user: 'root', host: 'db1.example.org' }],
    ['ssh:root@127.0.0.1:2222', { via: 'ssh', user: 'root', host: '127.0.0.1', port: 2222 }],
    ['ssh:[fd00::1]', { via: 'ssh', host: 'fd00::1' }],
    ['ssh:deploy_1@[::1]:65535', { via: 'ssh', user: 'deploy_1', host: '::1', port: 65_535 }],
  ])('%s', (text, context) => {
    expect(parseContext(text)).toEqual({ ok: true, value: context });
    expect(contextName(context)).toBe(text);
  });

  test.each([
    ['', 'none of the kinds'],
    ['Local', 'none of the kinds'],
    ['local:', 'none of the kinds'],
    ['docker:crm', 'none of the kinds'],
    ['crm', 'none of the kinds'],
    ['constructor:x', 'none of the kinds'],
    ['lxd:', 'letters'],
    ['lxd:-T', 'letters'],
    ['lxd:1crm', 'letters'],
    ['lxd:crm-', 'letters'],
    ['lxd:a_b', 'letters'],
    ['lxd:remote:crm', 'letters'],
    ['lxd:crm/snap', 'letters'],
    ['lxd:crm\n', 'letters'],
    ['lxd:../1.0', 'letters'],
    [`lxd:${'a'.repeat(64)}`, 'letters'],
    ['ssh:', 'USER@'],
    ['ssh:-oProxyCommand=sh', 'USER@'],
    ['ssh:root@-oProxyCommand=sh', 'USER@'],
    ['ssh:-l@host', 'USER@'],
    ['ssh:host name', 'USER@'],
    ['ssh:host\n', 'USER@'],
    ['ssh:$(id)@host', 'USER@'],
    ['ssh:host;id', 'USER@'],
    ['ssh:a@b@c', 'USER@'],
    ['ssh:fd00::1', 'USER@'],
    ['ssh:host:', 'USER@'],
    ['ssh:host:0', 'port'],
    ['ssh:host:65536', 'port'],
    [`ssh:${'h'.repeat(400)}`, 'too long'],
  ])('%j is none', (text, why) => {
    const parsed = parseContext(text);
    expect(parsed).toMatchObject({ ok: false, error: { code: 'context_invalid' } });
    expect(parsed.ok ? '' : parsed.error.message).toContain(why);
  });
});
