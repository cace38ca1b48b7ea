import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { datagramSocket } from '../bin/datagram-socket.ts';
import { until } from '../until.ts';
import { place } from './place.ts';

/* A controller that is supervised, as systemd does it. The node process is in exe.test.ts; with systemd itself, both are in the lab. */

test('a controller tells its supervisor that it is ready, what it does, that it is alive, and that it stops', async () => {
  const own = place();
  const path = join(own.folder, 'notify');
  const socket = datagramSocket(path);
  onTestFinished(() => socket.close());
  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '3000000' };
  const controller = await own.controller(['controller', '--port', '0', '--json'], { env });
  const said = (): string => socket.taken().join('\n');
  await until(() => said().startsWith('READY=1\nSTATUS=no mutation open'), 'it says that it is ready');
  await until(() => said().includes('WATCHDOG=1'), 'it says that it is alive', 20_000);

  const guard = own.startGuard('env > seen; sleep 600');
  await until(() => /STATUS=1 mutation open \(1 cleared\)/.test(said()), 'it says what is open', 20_000);
  guard.child.kill('SIGTERM');
  await guard.done;
  await until(() => said().lastIndexOf('STATUS=no mutation') > said().indexOf('1 cleared'), 'it is over', 20_000);

  controller.child.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = socket.taken().length;
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(socket.taken().length).toBe(before);
  controller.child.kill('SIGCONT');
  await until(() => socket.taken().length > before, 'it is alive again', 20_000);

  controller.child.kill('SIGTERM');
  expect((await controller.done).code).toBe(0);
  expect(socket.taken().at(-1)).toBe('STOPPING=1\nSTATUS=stopping');
});

test('a controller that a command starts by the way does not speak for the service of that command', async () => {
  const own = place();
  const path = join(own.folder, 'notify');
  const socket = datagramSocket(path);
  onTestFinished(() => socket.close());
  const { code } = await own.guard('echo "$NOTIFY_SOCKET" > seen', [], { env: { NOTIFY_SOCKET: path } });
  expect(code).toBe(0);
  expect(socket.taken()).toEqual([]);
});
