import { Writable } from 'node:stream';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Reach } from '../ports/reach.ts';
import { CARRIER_VARIABLE } from './command.ts';

/**
 * mark, seconds of patience, seconds until it gives up. What src/reach/local/processes.ts does for this host, for a place where there
 * is only a POSIX shell with grep and tr: all processes with the mark in their environment and all their descendants, SIGTERM, then SIGKILL, until
 * two looks in a row find none. Prints how many it ended, or those that would not go.
 */
const SCRIPT = `
mark=$1 patience=$2 give_up=$3
if [ ! -r /proc/self/environ ]; then echo "there is no /proc to find processes by" >&2; exit 3; fi

nap() { sleep 0.05 2>/dev/null || sleep 1; }

# A line of the table is "pid parent start"; a process that only waits to be reaped is not in it.
look() {
  table= family=' '
  for folder in /proc/[0-9]*; do
    pid=\${folder#/proc/}
    { read -r stat <"$folder/stat"; } 2>/dev/null || continue
    # Its second word is the command's name, which may hold anything, newlines too.
    case $stat in *')'*) ;; *) { stat=$(cat "$folder/stat"); } 2>/dev/null || continue;; esac
    set -f; set -- \${stat##*\\)}; set +f
    case $1 in Z|X|'') continue;; esac
    table="$table$pid $2 \${20}
"
    case $known in *" $pid/\${20} "*) family="$family$pid ";; esac
  done
  for file in $(grep -lsF -e "$mark" /proc/[0-9]*/environ); do
    pid=\${file#/proc/} pid=\${pid%/environ}
    { environ=$(tr '\\0' '\\n' <"$file"); } 2>/dev/null || continue
    # The first look was for any place in it.
    printf '%s\\n' "$environ" | grep -qxF -e "$mark" || continue
    carrier=$(printf '%s\\n' "$environ" | sed -n 's/^${CARRIER_VARIABLE}=//p')
    if [ -n "$carrier" ] && [ -d "/proc/$carrier" ]; then continue; fi
    family="$family$pid "
  done
  grown=1
  while [ "$grown" = 1 ]; do
    grown=
    while read -r pid parent start; do
      case $family in *" $pid "*) continue;; esac
      case $family in *" $parent "*) family="$family$pid "; grown=1;; esac
    done <<TABLE
$table
TABLE
  done
}

known=' ' stopped=0 empty=0 begun=$(date +%s)
while :; do
  look
  left=
  elapsed=$(($(date +%s) - begun))
  while read -r pid parent start; do
    case $family in *" $pid "*) ;; *) continue;; esac
    [ -n "$pid" ] && [ "$pid" != $$ ] || continue
    left="$left $pid"
    case $known in
      *" $pid/$start "*) if [ "$elapsed" -ge "$patience" ]; then kill -KILL "$pid"; fi;;
      *) known="$known$pid/$start "; stopped=$((stopped + 1)); kill -TERM "$pid"; kill -CONT "$pid";;
    esac 2>/dev/null
  done <<TABLE
$table
TABLE
  if [ -z "$left" ]; then
    empty=$((empty + 1))
    if [ $empty -ge 2 ]; then echo "$stopped"; exit 0; fi
  else
    empty=0
    if [ "$elapsed" -gt "$give_up" ]; then
      for pid in $left; do echo "$pid ($(cat "/proc/$pid/comm" 2>/dev/null))"; done >&2
      exit 4
    fi
  fi
  nap
done
`;

export interface EndingOptions {
  readonly patienceSeconds?: number;
  readonly giveUpSeconds?: number;
}

/**
 * Ends every process of a context with this in its environment (`NAME=value`), and their descendants.
 *
 * @param run how a command is run there
 */
export async function endMarkedBy(
  run: Reach['run'],
  context: string,
  mark: string,
  { patienceSeconds = 2, giveUpSeconds = 8 }: EndingOptions = {},
): Promise<Result<{ readonly stopped: number }, Refusal>> {
  let said = '';
  const hear = (): Writable =>
    new Writable({
      write: (chunk: Buffer, _, done) => {
        said += chunk.toString('utf8');
        done();
      },
    });
  const argv = ['sh', '-c', SCRIPT, 'hauki', mark, String(patienceSeconds), String(giveUpSeconds)];
  const ran = await run({ argv, stdout: hear(), stderr: hear() });
  if (!ran.ok) return ran;
  if (ran.value.code === 0) return ok({ stopped: Number(said) });
  const why = said.trim().replaceAll(/\s+/g, ' ');
  return err(refusal('holder_unstoppable', `Processes on ${context} do not end: ${why}.`));
}
