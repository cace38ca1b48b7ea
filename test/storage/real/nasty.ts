import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';

const root = process.geteuid?.() === 0;

/**
 * What its owner closed to himself: only the superuser can look into it to compare. What an ordinary user makes of it is told by
 * test/conformance/storage-limits.directory.test.ts.
 */
const CLOSED = [
  ['mode-000', 0o000],
  ['mode-0200', 0o200],
] as const;

/** A path below a folder, in bytes. */
export function at(folder: string, path: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), typeof path === 'string' ? Buffer.from(path) : path]);
}

export const NOT_UTF8 = Buffer.from([0x6e, 0xff, 0xfe, 0x80, 0x5c]);

/** Fills an empty folder with one of everything a file system can hold. */
export function makeNasty(folder: string): void {
  const file = (path: string | Buffer, content: string | Buffer = String(path)) =>
    writeFileSync(at(folder, path), content);
  const dir = (path: string | Buffer) => mkdirSync(at(folder, path), { recursive: true });
  const sh = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: folder });

  file('plain');
  file('empty', '');
  file('large', Buffer.alloc(3 * 1024 * 1024 + 17, 'large'));
  dir('empty-dir');
  for (const path of [
    'a/b/c/d',
    'ünïcode 🦉',
    'with\nnewline',
    ' blanks ',
    '-rf',
    '$(touch x)',
    '*?[a]\\',
    'replaced',
    'to-file',
    'to-link',
  ])
    dir(path);
  dir(NOT_UTF8);
  file(Buffer.concat([NOT_UTF8, Buffer.from('/file')]));
  file(Buffer.from([0xc3, 0x28]), 'broken sequence');
  file('with\nnewline/and\n\nmore\n');
  file('*?[a]\\/glob');
  file('-rf/inside');
  file('a/b/c/d/deep');
  file('to-file/inside');
  file('to-link/inside');
  file('n'.repeat(255));

  symlinkSync('plain', at(folder, 'link'));
  symlinkSync(NOT_UTF8, at(folder, 'link-bytes'));
  symlinkSync('/etc/passwd', at(folder, 'link-out'));
  symlinkSync('../..', at(folder, 'a/link-up'));
  symlinkSync('nowhere/at/all', at(folder, 'link-dangling'));

  file('hard-1');
  linkSync(at(folder, 'hard-1'), at(folder, 'hard-2'));
  linkSync(at(folder, 'hard-1'), at(folder, 'a/b/hard-3'));
  file('pair-1');
  linkSync(at(folder, 'pair-1'), at(folder, 'a/pair-2'));

  const sparse = openSync(at(folder, 'sparse'), 'w');
  writeSync(sparse, 'start', 0);
  writeSync(sparse, 'middle', 1024 * 1024);
  ftruncateSync(sparse, 4 * 1024 * 1024);
  closeSync(sparse);
  const hole = openSync(at(folder, 'hole'), 'w');
  ftruncateSync(hole, 1024 * 1024);
  closeSync(hole);

  const modes = [['mode-4755', 0o4755], ['mode-2711', 0o2711], ['mode-0444', 0o444], ...(root ? CLOSED : [])] as const;
  for (const [path, mode] of modes) {
    file(path);
    chmodSync(at(folder, path), mode);
  }
  dir('closed/inner');
  file('closed/inner/file');
  dir('read-only');
  file('read-only/file');
  dir('sticky');
  sh('mkfifo', 'fifo');
  sh('setfattr', '-n', 'user.test', '-v', 'value', 'plain');
  sh('setfattr', '-n', 'user.binary', '-v', '0x00ff0a', 'a');
  sh('setfattr', '-n', 'user.large', '-v', 'x'.repeat(2000), 'large');
  sh('setfacl', '-m', 'u:1234:rwx,g:5678:r', 'plain');
  sh('setfacl', '-d', '-m', 'u:1234:rwx', 'a/b');
  file('a/b/inherits');
  if (root) {
    for (const [path, owner] of [
      ['plain', '1000:2000'],
      ['mode-4755', '33:33'],
      ['a', '7:8'],
    ] as const)
      sh('chown', owner, path);
    chmodSync(at(folder, 'mode-4755'), 0o4755);
    sh('chown', '-h', '9:9', 'link');
    sh('mknod', 'device', 'c', '1', '3');
    sh('mknod', 'block', 'b', '7', '200');
    sh('setfattr', '-n', 'trusted.secret', '-v', 'value', 'a/b/c');
    sh('setcap', 'cap_net_raw+ep', 'large');
  }
  sh('touch', '-d', '2001-02-03 04:05:06.123456789', 'plain');
  sh('touch', '-h', '-d', '1969-12-31 23:59:58.5', 'link');
  sh('touch', '-d', '1901-12-14 00:00:00.25', 'a/b');
  utimesSync(at(folder, 'empty'), 0, 0);
  chmodSync(at(folder, 'sticky'), 0o1777);
  chmodSync(at(folder, 'read-only'), 0o555);
  if (!root) return;
  chmodSync(at(folder, 'closed/inner'), 0o300);
  chmodSync(at(folder, 'closed'), 0o000);
}

/** Does to it what a failed change does, and worse. */
export function wreck(folder: string): void {
  execFileSync('sh', ['-e', '-c', root ? SCRIPT + SCRIPT_CLOSED : SCRIPT], {
    cwd: folder,
    env: { ...process.env, BYTES: NOT_UTF8.toString('latin1') },
  });
}

const SCRIPT = `
printf changed >> plain
touch -r large .keep; printf XXXXX | dd of=large bs=1 seek=1000000 conv=notrunc 2>/dev/null; touch -r .keep large; rm .keep
rm empty; mkdir empty; echo inside > empty/now-a-directory
rm -rf to-file; echo file > to-file
rm -rf to-link; ln -s /etc to-link
rm link; mkdir link; rm link-out; echo file > link-out; ln -sfn elsewhere link-dangling
touch -h -d '2020-01-01' a/link-up
rm hard-2; echo alone > hard-2; ln pair-1 pair-extra; ln -f hard-1 pair-1
printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc 2>/dev/null
rm hole
chmod 711 mode-4755; rm -f mode-0444
chmod 755 read-only; rm -f read-only/file; echo new > read-only/new; chmod 500 read-only
chmod 755 sticky
rm fifo; echo was a fifo > fifo; mkfifo a/fifo
setfattr -x user.test plain; setfattr -n user.added -v x empty-dir; setfattr -n user.binary -v other a
setfacl -b plain; setfacl -b a/b; setfacl -m u:42:r a/b/inherits
rm -rf a/b/c; mkdir -p a/b/c/other/tree; echo x > a/b/c/other/tree/file
rm -rf "$(printf 'with\\nnewline')"; rmdir ' blanks '; mv -- -rf -moved; mv '*?[a]\\' renamed
mv ünïcode\\ 🦉 'other
name'
mkdir -p new/deep/tree; echo x > new/deep/tree/file; ln -s ../.. new/up
echo x > .hidden
touch -d '2030-01-01' .
`;

const SCRIPT_CLOSED = `
chmod 4700 mode-000; chmod 0 mode-4755 new/deep/tree read-only
chmod 700 closed; chmod 700 closed/inner; rm closed/inner/file; mkdir closed/added; chmod 0 closed/added
`;
