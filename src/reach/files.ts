import { randomBytes } from 'node:crypto';
import { isAbsolute } from 'node:path';
import { Writable } from 'node:stream';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Reach } from '../ports/reach.ts';
import { shortened } from './command.ts';

/*
 * Files, by commands: what runs a program unharmed brings a file unharmed. The scripts are constants for any POSIX shell; paths come to
 * them as arguments.
 */

/** path, temporary name, bytes, mode. Counted before it takes the old one's place: a stream that broke off ends like one that is whole. */
const PUT = `
case $1 in */) echo "it names a folder" >&2; exit 1;; esac
if [ -d "$1" ]; then echo "it is a folder" >&2; exit 1; fi
folder=\${1%/*}/
temporary=$folder$2
trap 'rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM
umask 077
cat >"$temporary" || exit 1
count=$(wc -c <"$temporary") || exit 1
if [ "$count" -ne "$3" ]; then echo "$count of $3 bytes came" >&2; exit 1; fi
chmod "$4" "$temporary" && sync "$temporary" && mv -f "$temporary" "$1"
`;

const GET = `
if [ -d "$1" ]; then echo "it is a folder" >&2; exit 1; fi
exec cat <"$1"
`;

/** `put` and `get` of a context, by its `run`. */
export function filesOver(context: string, run: Reach['run']): Pick<Reach, 'put' | 'get'> {
  const script = async (
    what: string,
    path: string,
    argv: readonly string[],
    stdin: Uint8Array,
  ): Promise<Result<Buffer, Refusal>> => {
    const fail = (why: string): Result<never, Refusal> =>
      err(refusal('file_failed', `${shortened(path)} on ${context} cannot be ${what}: ${why}.`));
    if (!isAbsolute(path)) return fail('its path is not absolute');
    const [stdout, stderr] = [collector(), collector()];
    const ran = await run({ argv: ['sh', '-c', ...argv], stdin, stdout: stdout.sink, stderr: stderr.sink });
    if (!ran.ok) return ran;
    if (ran.value.code === 0) return ok(stdout.bytes());
    const said = stderr.bytes().toString('utf8').trim().split('\n').at(-1) ?? '';
    return fail(said === '' ? `it ended with exit code ${ran.value.code}` : said.replace(/\.$/, ''));
  };
  return {
    put: async (path, bytes, mode) => {
      const temporary = `.hauki-${randomBytes(8).toString('hex')}`;
      const args = [path, temporary, String(bytes.length), mode.toString(8)];
      const written = await script('written', path, [PUT, 'hauki', ...args], bytes);
      return written.ok ? ok(undefined) : written;
    },
    get: (path) => script('read', path, [GET, 'hauki', path], Buffer.alloc(0)),
  };
}

/** Keeps what is written to it. */
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
