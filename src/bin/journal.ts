import { fstatSync, writeSync } from 'node:fs';
import type { SendDatagram } from './datagram.ts';

const SOCKET = '/run/systemd/journal/socket';
/** Fields that the journal has as its own, to be searched by: `journalctl MUTATION=…`. */
const FIELDS: Readonly<Record<string, string>> = {
  node: 'NODE',
  mutation: 'MUTATION',
  code: 'HAUKI_CODE',
  trace_id: 'HAUKI_TRACE',
};
const DEFAULT_LEVEL = 30;

/** Takes a whole line of the log, JSON in pino's form, its newline included. */
export type LineSink = (line: string) => void;

/** stderr. A line that cannot be written, because the disk is full or its reader gone, must not be what ends the process. */
export const toStderr: LineSink = (line) => {
  try {
    writeSync(2, line);
  } catch {
    // Nobody reads it.
  }
};

/** Whether stderr is the journal's stream: systemd says which device and inode that is, and what we were started with may be another. */
export function stderrIsJournal(env: NodeJS.ProcessEnv): boolean {
  const stream = env['JOURNAL_STREAM'];
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** Into the journal with fields; what does not get there goes to stderr with its priority before it, which the journal understands too. */
export function toJournal(send: SendDatagram, last: LineSink = toStderr): LineSink {
  return (line) => {
    if (!send(SOCKET, journalEntry(line))) last(`<${priorityOf(parsed(line))}>${line}`);
  };
}

/** An entry in the journal's own protocol: see "Native Journal Protocol" of systemd. */
export function journalEntry(line: string): Buffer {
  const said = parsed(line);
  const { msg, level: _, time: __, pid: ___, ...rest } = said;
  const words = typeof msg === 'string' ? msg : line.trim();
  const others = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  const fields = Object.entries(FIELDS).flatMap(([name, field]) =>
    typeof rest[name] === 'string' ? [[field, rest[name]] as const] : [],
  );
  const entries: readonly (readonly [string, string])[] = [
    ['MESSAGE', `${words}${others}`],
    ['PRIORITY', String(priorityOf(said))],
    ['SYSLOG_IDENTIFIER', 'hauki'],
    ...fields,
  ];
  return Buffer.concat(entries.map(([name, value]) => field(name, value)));
}

/** `NAME=value`, or, for a value with newlines, the name, its length as 64 bits, and the value. */
function field(name: string, value: string): Buffer {
  if (!value.includes('\n')) return Buffer.from(`${name}=${value}\n`);
  const bytes = Buffer.from(value);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), size, bytes, Buffer.from('\n')]);
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** syslog's, of pino's levels. */
function priorityOf({ level = DEFAULT_LEVEL }: Readonly<Record<string, unknown>>): number {
  const number = Number(level);
  if (number >= 60) return 2;
  if (number >= 50) return 3;
  if (number >= 40) return 4;
  return number >= 30 ? 6 : 7;
}
