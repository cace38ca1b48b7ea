import { type ChildProcess, fork } from 'node:child_process';
import { Agent, request } from 'node:http';

/** A controller in its own process, from the same bundle as the benchmark. */
export async function startServer(
  home: string,
  socket: string,
  kind: 'noop' | 'real' | 'events',
): Promise<ChildProcess> {
  const child = fork(process.argv[1] ?? '', ['server', home, socket, kind], { stdio: 'inherit' });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the bench server ended with ${code}`)));
  });
  return child;
}

export async function stopServer(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** One caller with a connection of its own. */
export class Caller {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  send(method: string, path: string, body?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = request(
        { socketPath: this.#socket, method, path, agent: this.#agent, headers: { 'content-type': 'application/json' } },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve(JSON.parse(text)));
        },
      );
      call.once('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Request, clear, commit. @returns milliseconds until cleared, and until committed */
  async mutation(dataset: string): Promise<{ cleared: number; committed: number }> {
    const start = performance.now();
    const grant = (await this.send('POST', '/v1/mutations', { intent: 'bench', datasets: [dataset] })) as {
      status: string;
      mutation: string;
      fence: number;
    };
    if (grant.status !== 'cleared') throw new Error(JSON.stringify(grant));
    const cleared = performance.now() - start;
    await this.send('POST', `/v1/mutations/${grant.mutation}/commit`, { fence: grant.fence });
    return { cleared, committed: performance.now() - start };
  }

  close(): void {
    this.#agent.destroy();
  }
}
