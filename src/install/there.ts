import { Writable } from 'node:stream';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Reach } from '../ports/reach.ts';

/** How a program ended there, and what it said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Of the end of what a program said, in a refusal; chars. */
const WORDS_MAX = 1_000;

/** The machine that something is installed on. Everything throws what it refuses. */
export class There {
  readonly reach: Reach;

  constructor(reach: Reach) {
    this.reach = reach;
  }

  /** @throws RefusedError `context_…` when it is not there */
  async check(): Promise<void> {
    const checked = await this.reach.check();
    if (!checked.ok) throw new RefusedError(checked.error);
  }

  /** Runs a program to its end, whichever that is. @throws RefusedError when it never began, or was lost */
  async ask(argv: readonly string[], stdin?: string): Promise<Said> {
    const [stdout, stderr] = [new Kept(), new Kept()];
    const ran = await this.reach.run({
      argv,
      stdout,
      stderr,
      ...(stdin === undefined ? {} : { stdin: Buffer.from(stdin) }),
    });
    if (!ran.ok) throw new RefusedError(ran.error);
    return { code: ran.value.code, stdout: stdout.text, stderr: stderr.text };
  }

  /** The same, and it has to succeed. @returns its stdout @throws RefusedError `install_failed` with its words */
  async run(argv: readonly string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.ask(argv, stdin);
    if (code === 0) return stdout;
    const words = `${stderr}${stdout}`.trim().slice(-WORDS_MAX);
    throw new RefusedError(
      refusal('install_failed', `"${argv.join(' ')}" on ${this.reach.name} ended with code ${code}: ${words}`),
    );
  }

  /** Text of a file; undefined when there is none. */
  async text(path: string): Promise<string | undefined> {
    const { code } = await this.ask(['test', '-e', path]);
    if (code !== 0) return undefined;
    const read = await this.reach.get(path);
    if (!read.ok) throw new RefusedError(read.error);
    return read.value.toString('utf8');
  }

  async put(path: string, content: string | Uint8Array, mode: number): Promise<void> {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const written = await this.reach.put(path, bytes, mode);
    if (!written.ok) throw new RefusedError(written.error);
  }

  /** Lower-case hex; undefined when there is no such file. */
  async sha256(path: string): Promise<string | undefined> {
    const { code, stdout } = await this.ask(['sha256sum', '--', path]);
    return code === 0 ? stdout.split(' ')[0]?.replace(/^\\/, '') : undefined;
  }
}

/** Takes everything and keeps it: what is run here says little. */
class Kept extends Writable {
  text = '';

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
