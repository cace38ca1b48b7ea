import { execFile } from 'node:child_process';

/** What the client says of an instance: its status, or why it has none to say. */
export interface Asked {
  /** `Running`, `Stopped`, `Frozen` … */
  readonly status?: string;
  readonly said: string;
}

/** Asks LXD or Incus how an instance stands. */
export function ask(program: string, instance: string, env: Readonly<Record<string, string>>): Promise<Asked> {
  return new Promise((resolve) => {
    const path = `/1.0/instances/${instance}`;
    execFile(program, ['query', path], { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const status = error === null ? statusOf(stdout) : undefined;
      resolve({ said: stderr || (error?.message ?? ''), ...(status === undefined ? {} : { status }) });
    });
  });
}

function statusOf(text: string): string | undefined {
  try {
    const { status } = JSON.parse(text) as { status?: unknown };
    return typeof status === 'string' ? status : undefined;
  } catch {
    return undefined;
  }
}
