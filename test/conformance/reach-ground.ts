import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';

import { afterAll, beforeAll, expect } from 'vitest';

import type { Refusal } from '../../src/base/refusal.ts';
import type { Command, Ended, Reach } from '../../src/ports/reach.ts';
import { until } from '../until.ts';

/** Where the suite is tried. Everything in it is looked at through the reach itself. */
export interface ReachGround {
  readonly reach: Reach;
  /** Tells every death by a signal from the exit code that looks like it, and every failed start from a 126 or 127. */
  readonly exact: boolean;
  /** Whether standard streams can be opened by name (/dev/stderr); undefined where that is not ours to say. */
  readonly named: boolean | undefined;
  /** Contexts that are not there, and the code each is refused with. */
  readonly missing: readonly (readonly [Reach, string])[];
  /** How many times longer than elsewhere a command takes to begin. */
  readonly pace?: number;
  /** How many commands are run at once. */
  readonly atOnce?: number;
  /** Which exit codes are tried; where a command takes seconds to start, not all. */
  readonly codes?: readonly number[];
  readonly close?: () => Promise<void>;
}

export interface Heard {
  readonly ended: Ended | undefined;
  readonly refused: Refusal | undefined;
  readonly bytes: Buffer;
  readonly text: string;
  readonly errors: string;
}

type More = Omit<Command, 'argv' | 'stdout' | 'stderr'>;

/** A ground that is opened before the tests, and what they do there. */
export interface Tried {
  readonly ground: ReachGround;
  readonly reach: Reach;
  /** A folder of the suite's own, there. */
  readonly folder: string;
  readonly pace: number;
  readonly hear: (argv: readonly string[], more?: More) => Promise<Heard>;
  readonly sh: (script: string, more?: More, ...args: readonly string[]) => Promise<Heard>;
  /** Processes there that have this in their environment, by number. */
  readonly carrying: (mark: string) => Promise<number>;
  readonly fresh: () => string;
  readonly appears: (path: string) => Promise<unknown>;
}

export function tried(open: () => Promise<ReachGround>): Tried {
  let ground: ReachGround;
  let reach: Reach;
  let folder = '';
  let pace = 1;

  beforeAll(async () => {
    ground = await open();
    reach = ground.reach;
    pace = ground.pace ?? 1;
    folder = (await hear(['mktemp', '-d', '/tmp/hauki reach XXXXXX'])).text.trim();
    expect(folder).toMatch(/^\/tmp\/hauki reach /);
  });
  afterAll(async () => {
    if (folder !== '') await hear(['rm', '-rf', folder]);
    await ground?.close?.();
  });

  async function hear(argv: readonly string[], more: Omit<Command, 'argv' | 'stdout' | 'stderr'> = {}): Promise<Heard> {
    const [out, errors] = [collector(), collector()];
    const ran = await reach.run({ argv, ...more, stdout: out.sink, stderr: errors.sink });
    return {
      ended: ran.ok ? ran.value : undefined,
      refused: ran.ok ? undefined : ran.error,
      bytes: out.bytes(),
      text: out.bytes().toString('utf8'),
      errors: errors.bytes().toString('utf8'),
    };
  }
  const sh = (script: string, more?: Parameters<typeof hear>[1], ...args: readonly string[]): Promise<Heard> =>
    hear(['sh', '-c', script, 'sh', ...args], more);

  /** Processes there that have this in their environment, by number. */
  async function carrying(mark: string): Promise<number> {
    const script =
      'for e in /proc/[0-9]*/environ; do { tr "\\0" "\\n" <"$e" | grep -qxF -e "$1"; } 2>/dev/null && echo; done';
    return (await sh(script, {}, mark)).text.length;
  }
  const fresh = (): string => `${folder}/${randomUUID()}`;
  const appears = (path: string): Promise<unknown> =>
    until(async () => (await hear(['test', '-e', path])).ended?.code === 0, `${path} is there`, 60_000);
  return {
    get ground() {
      return ground;
    },
    get reach() {
      return reach;
    },
    get folder() {
      return folder;
    },
    get pace() {
      return pace;
    },
    hear,
    sh,
    carrying,
    fresh,
    appears,
  };
}

/** As part of what is expected, a text that matches; typed, unlike vitest's own. */
export function containing(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}

function collector(): { readonly sink: Writable; readonly bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk);
      done();
    },
  });
  return { sink, bytes: () => Buffer.concat(chunks) };
}
