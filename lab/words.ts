/** Where a command runs, and as whom. */
export interface Where {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** An ordinary user of the guest; default root. */
  readonly user?: string;
  /** Whether it ends with the scenario; default true. False for what takes the scenario's processes down. */
  readonly held?: boolean;
}

/** cgroup of the unit that holds all a scenario starts; see lab-commands.service in recipe.ts. */
const CGROUP = '/sys/fs/cgroup/system.slice/lab-commands.service/cgroup.procs';

/**
 * ssh joins its arguments with spaces and hands the line to a shell of the other side. This is the line from which that
 * shell gets exactly these words back, whatever is in them.
 *
 * @throws for a word with a NUL, which no argument vector can hold
 */
export function quote(words: readonly string[]): string {
  return words
    .map((word) => {
      if (word.includes('\0')) throw new Error(`an argument cannot hold a NUL: ${JSON.stringify(word)}`);
      return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
    })
    .join(' ');
}

/**
 * The line for the guest's shell that runs an argument vector. The shell stays until the command has ended, so that its
 * exit code is the command's, or 128 + n when it died of signal n.
 *
 * @param pidFile in the guest; the command's process id is written there before it starts
 */
export function commandLine(
  argv: readonly string[],
  { env = {}, cwd, user, held = true }: Where,
  pidFile?: string,
): string {
  const home = user === undefined ? {} : { HOME: `/home/${user}`, USER: user };
  const settings = Object.entries({ ...home, ...env }).map(([name, value]) => `${name}=${value}`);
  const words = [
    ...(user === undefined ? [] : ['runuser', '-u', user, '--']),
    ...(settings.length === 0 ? [] : ['env', ...settings]),
    ...argv,
  ];
  const run =
    pidFile === undefined ? quote(words) : quote(['sh', '-c', 'echo $$ > "$0"; exec "$@"', pidFile, ...words]);
  const into = cwd === undefined ? '' : `cd ${quote([cwd])} && `;
  // Before the first scenario there is no such unit, and then nothing to hold.
  const hold = held ? `{ echo 0 > ${CGROUP}; } 2>/dev/null; ` : '';
  return `${hold}${into}${run}; exit $?`;
}
