import { datagrams } from './datagram.ts';
import { type LineSink, stderrIsJournal, toJournal, toStderr } from './journal.ts';
import { openLibc } from './libc.ts';
import { NOBODY, type ServiceManager, serviceManager, takeSupervision } from './service-manager.ts';

/** Who supervises this process, and where its log goes. */
export interface Supervised {
  readonly manager: ServiceManager;
  readonly sink: LineSink;
}

/** By what systemd has put into the environment. A process that nobody supervises loads nothing for it. */
export async function openSupervision(env: NodeJS.ProcessEnv = process.env): Promise<Supervised> {
  const supervision = takeSupervision(env, process.pid);
  const journal = stderrIsJournal(env);
  if (supervision === undefined && !journal) return { manager: NOBODY, sink: toStderr };
  const send = datagrams(await openLibc());
  return {
    manager: supervision === undefined ? NOBODY : serviceManager(supervision, send),
    sink: journal ? toJournal(send) : toStderr,
  };
}
