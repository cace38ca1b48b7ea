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

export interface Grant {
  readonly mutation: string;
  readonly fence: number;
}

/** One caller with a connection of its own. */
export class Caller {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** @throws for whatever is not success: a refusal is answered quickly, and would pass for speed */
  send(method: string, path: string, body?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = request(
        { socketPath: this.#socket, method, path, agent: this.#agent, headers: { 'content-type': 'application/json' } },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('end', () => {
            if (response.statusCode === 200) resolve(JSON.parse(text));
            else reject(new Error(`${method} ${path} was answered with ${response.statusCode}: ${text}`));
          });
        },
      );
      call.on('error', reject);
      call.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Asks for clearance, and waits for it. */
  async request(dataset: string): Promise<Grant> {
    return (await this.send('POST', '/v1/mutations', { intent: 'bench', datasets: [dataset] })) as Grant;
  }

  /** Says how it ended, and waits until that has come true. */
  async end({ mutation, fence }: Grant, how: 'commit' | 'rollback'): Promise<void> {
    const ended = (await this.send('POST', `/v1/mutations/${mutation}/${how}`, { fence })) as { stage: string };
    const wanted = how === 'commit' ? 'committed' : 'rolled_back';
    if (ended.stage !== wanted) throw new Error(`${mutation} is ${ended.stage}, not ${wanted}`);
  }

  /** Request, clear, commit. @returns milliseconds until cleared, and until committed */
  async mutation(dataset: string): Promise<{ cleared: number; committed: number }> {
    const start = performance.now();
    const grant = await this.request(dataset);
    const cleared = performance.now() - start;
    await this.end(grant, 'commit');
    return { cleared, committed: performance.now() - start };
  }

  close(): void {
    this.#agent.destroy();
  }
}
