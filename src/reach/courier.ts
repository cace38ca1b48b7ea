import { type Command } from '../ports/reach.ts';
import { givenEnvironment, RUN_VARIABLE, type Unstarted } from './command.ts';

/*
 * How a command is brought to another place unharmed.
 *
 * What leads there (ssh, lxc) is told to run a constant: the courier. It says `ready` on stdout and stderr, reads the command from its
 * stdin, starts it with the rest of stdin as the command's own, and says on both streams how it ended. So no shell ever reads an argument,
 * no secret stands on a command line, what a login shell prints first is told from the command's output, and a connection that breaks is
 * told from a program that ends with 255. And since the command is sent only to a courier that is ready, a place that is not there is
 * known before anything runs.
 *
 * The courier is a shell script that hands over to Perl where there is one (Debian and Ubuntu always have it). The shell alone does the same,
 * but for three things a shell cannot: it does not tell `exit 143` from a death by signal 15, it may report a program that the system would
 * not execute as 126 or 127, and it does not notice that its caller is gone.
 *
 * It notices by its own stdin. The command's comes in frames, the last of which says that it has ended, and the stream they come by stays open for as long as
 * the caller is there: its end is the caller's, whether that was killed or its connection broke, by ssh and by LXD alike. Then the courier ends the command.
 */

/** The first word of a courier that takes the command's stdin in frames; any other takes it as it is. */
export const LEASHED = 'leashed';

/** Between the courier's words and a command's own there is only this: the run's id is 128 random bits. */
export function markOf(run: string): Buffer {
  return Buffer.from(`{hauki ${run} `);
}

/**
 * The text that a courier reads: a line with the length of what follows, then a line an item (C folder, A argument, E variable; + goes on
 * after a newline), then a dot. Whatever comes after it is the command's stdin.
 */
export function letter(command: Command): Buffer {
  const items = [
    ...(command.cwd === undefined ? [] : [`C${command.cwd}`]),
    ...command.argv.map((argument) => `A${argument}`),
    // Last, so that none of them has a say in how the rest is read.
    ...Object.entries(givenEnvironment(command)).map(([name, value]) => `E${name}=${value}`),
  ];
  const body = Buffer.from([...items.map((item) => item.replaceAll('\n', '\n+')), '.', ''].join('\n'));
  return Buffer.concat([Buffer.from(`${body.length}\n`), body]);
}

/** What a courier says when it is done. */
export type Report =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly number: number }
  | ({ readonly kind: 'unstarted' } & Unstarted);

/** `exit 3`, `signal 15`, `folder 2`, `program 13`; of the shell's courier `status 143`, which is both. */
export function parseReport(text: string): Report | undefined {
  const [, word, digits] = /^(exit|signal|status|folder|program) (\d{1,5})$/.exec(text) ?? [];
  const number = Number(digits);
  switch (word) {
    case 'exit':
      return { kind: 'exit', code: number };
    case 'signal':
      return { kind: 'signal', number };
    case 'status':
      // What every shell takes for a signal; 160 and more are codes only.
      return number > 128 && number < 160 ? { kind: 'signal', number: number - 128 } : { kind: 'exit', code: number };
    case 'folder':
    case 'program':
      return { kind: 'unstarted', step: word, errno: number };
    default:
      return undefined;
  }
}

/** The courier as an argument vector, for what keeps one whole. */
export function courierArgv(run: string): readonly string[] {
  // In the environment from the start: whoever looks for the run's processes finds the courier before it has read anything.
  return ['env', `${RUN_VARIABLE}=${run}`, 'sh', '-c', SHELL, 'hauki', PERL];
}

/** The same for a login shell, whichever it is: sh, bash, zsh, fish and tcsh read it alike. */
export function courierLine(run: string): string {
  return `exec env ${RUN_VARIABLE}=${run} sh -c '${SHELL}' hauki '${PERL}'`;
}

/*
 * Constants: nothing is ever put into them. Without ' \ ! and newlines, which login shells read each in their own way even between
 * single quotes; a test sees to it.
 */
export const SHELL = [
  'if command -v perl >/dev/null 2>&1; then PERL_BADLANG=0; export PERL_BADLANG; exec perl -e "$1"; fi;',
  'shift;',
  'hauki_id=$HAUKI_RUN; hauki_nl=$(echo; echo .); hauki_nl=${hauki_nl%.}; hauki_kind=; hauki_item=; hauki_cwd=; hauki_whole=;',
  'hauki_say() { printf %s "{hauki $hauki_id $1}" 2>/dev/null; printf %s "{hauki $hauki_id $1}" >&2; };',
  'hauki_end() { trap "" PIPE; hauki_say "$1"; exit 0; };',
  'hauki_say ready;',
  'read -r hauki_line || exit 75;',
  'while IFS= read -r hauki_line; do',
  'case $hauki_line in +*) hauki_item=$hauki_item$hauki_nl${hauki_line#+}; continue;; esac;',
  'case $hauki_kind in A) set -- "$@" "$hauki_item";; C) hauki_cwd=$hauki_item;; E) export "$hauki_item";; esac;',
  'if [ "$hauki_line" = . ]; then hauki_whole=1; break; fi;',
  'hauki_item=${hauki_line#?}; case $hauki_line in A*) hauki_kind=A;; C*) hauki_kind=C;; *) hauki_kind=E;; esac;',
  'done;',
  // Cut off in the middle: what is not whole is not run.
  '[ "$hauki_whole" = 1 ] || exit 75;',
  'if [ -n "$hauki_cwd" ]; then cd "$hauki_cwd" 2>/dev/null || hauki_end "folder 2"; fi;',
  // Looked for first, because afterwards a shell has one number for what it did not find and what the program answered.
  '( case $1 in */*) PATH=${1%/*}/; hauki_name=${1##*/};; *) hauki_name=$1;; esac;',
  'set -f; IFS=:; hauki_found=2; for hauki_d in $PATH; do hauki_d=${hauki_d:-.}/$hauki_name;',
  'if [ -d "$hauki_d" ]; then hauki_found=13; elif [ -x "$hauki_d" ]; then exit 0; elif [ -e "$hauki_d" ]; then hauki_found=13; fi;',
  'done; exit $hauki_found );',
  'hauki_found=$?; if [ $hauki_found -gt 0 ]; then hauki_end "program $hauki_found"; fi;',
  // Not onto the command's stderr: some shells say there what a signal did to it.
  '( ( exec "$@" 2>&3 3>&- ); exit $? ) 3>&2 2>/dev/null;',
  'hauki_end "status $?"',
].join(' ');

export const PERL = [
  'binmode(STDIN); binmode(STDOUT); binmode(STDERR);',
  'my $id = $ENV{HAUKI_RUN}; delete $ENV{PERL_BADLANG};',
  'sub say_it { my $text = "{hauki $id $_[0]}"; syswrite(STDOUT, $text); syswrite(STDERR, $text); }',
  // $ and an exclamation mark: the system's last error.
  'sub failed { syswrite(W, "$_[0] " . (${+chr(33)} + 0)); exit 127; }',
  'sub take { my ($size, $got) = ($_[0], "");',
  'while (length($got) < $size) { sysread(STDIN, $got, $size - length($got), length($got)) or exit 75; } return $got; }',
  `say_it("${LEASHED}");`,
  'my ($size, $c) = ("", ""); while (($c = take(1)) ne chr(10)) { $size .= $c; }',
  'my @items; for (split(chr(10), take($size), -1)) { my ($kind, $rest) = (substr($_, 0, 1), substr($_, 1));',
  'if ($kind eq "+") { $items[-1][1] .= chr(10) . $rest; } else { push @items, [$kind, $rest]; } }',
  'my @argv = map { $_->[1] } grep { $_->[0] eq "A" } @items;',
  'pipe(R, W); pipe(IN, OUT); my $pid = fork(); defined($pid) or exit 75;',
  'if ($pid == 0) { close(R); close(OUT); open(STDIN, "<&IN"); close(IN); setpgrp(0, 0); for (@items) { my ($kind, $rest) = @$_;',
  'if ($kind eq "C") { chdir($rest) or failed("folder"); $ENV{PWD} = $rest; }',
  'if ($kind eq "E") { my ($name, $value) = split(/=/, $rest, 2); $ENV{$name} = $value; } }',
  'exec { $argv[0] } @argv; failed("program"); }',
  'close(W); close(IN); $SIG{PIPE} = "IGNORE"; $SIG{CHLD} = sub {};',
  'my $why = ""; while (length($why) == 0) { my $n = sysread(R, $why, 64); last if defined($n) and $n == 0; }',
  'sub gone { kill("TERM", -$pid); for (1 .. 30) { exit 75 if waitpid($pid, 1) and not kill(0, -$pid); select(undef, undef, undef, 0.1); } kill("KILL", -$pid); exit 75; }',
  // What came, what of it is for the command, whether more will come, and whether the command still takes it.
  'my ($raw, $bytes, $more, $open) = ("", "", 1, 1);',
  'while (waitpid($pid, 1) == 0) { my ($read, $write) = ("", "");',
  'vec($read, 0, 1) = 1 if length($bytes) < 65536; vec($write, fileno(OUT), 1) = 1 if $open and length($bytes);',
  // A pipe that can be read from its writing end is one whose reader is gone: nobody is left who would end the command.
  'vec($read, fileno(STDERR), 1) = 1 if -p STDERR; next if select($read, $write, undef, 0.2) < 1;',
  'gone() if vec($read, fileno(STDERR), 1);',
  'if (vec($read, 0, 1)) { my $n = sysread(STDIN, $raw, 65536, length($raw)); gone() if defined($n) and $n == 0;',
  'while ($more and length($raw) > 3) { my $size = unpack("N", $raw); last if length($raw) < 4 + $size;',
  '$more = 0 if $size == 0; $bytes .= substr($raw, 4, $size) if $open; substr($raw, 0, 4 + $size) = ""; } }',
  // A pipe that can be written to takes so much without waiting.
  'if (vec($write, fileno(OUT), 1)) { my $n = syswrite(OUT, $bytes, 4096);',
  'if (defined($n)) { substr($bytes, 0, $n) = ""; } else { close(OUT); ($bytes, $open) = ("", 0); } }',
  'if ($open and not $more and length($bytes) == 0) { close(OUT); $open = 0; } }',
  'my $status = $?;',
  'say_it(length($why) ? $why : $status & 127 ? "signal " . ($status & 127) : "exit " . ($status >> 8));',
].join(' ');
