import { execFileSync } from 'node:child_process';

/**
 * Everything about a directory tree that a restore has to bring back, in words that can be compared, and found out without any of
 * hauki's own code: find, sha256sum, getfattr, getfacl. Hard links are told by which names share an inode; inode numbers
 * themselves, ctimes and the sizes of directories are nobody's to restore.
 */
export function fingerprint(root: string, { xattrs = true }: { readonly xattrs?: boolean } = {}): string[] {
  const lines: string[] = [];
  const groups = new Map<string, string[]>();
  const entries = output('find', [
    `${root}/.`,
    '-xdev',
    '-printf',
    '%y\\0%m\\0%U\\0%G\\0%s\\0%T@\\0%l\\0%n\\0%i\\0%P\\0',
  ])
    .split('\0')
    .slice(0, -1);
  for (let at = 0; at < entries.length; at += 10) {
    const [type = '', mode, uid, gid, size, mtime, target, links, inode = '', path = ''] = entries.slice(at, at + 10);
    lines.push(`${path}: ${type} ${mode} ${uid}:${gid} ${type === 'd' ? '' : size} ${mtime} ${target}`);
    if (type !== 'd' && Number(links) > 1) groups.set(inode, [...(groups.get(inode) ?? []), path]);
  }
  for (const names of groups.values()) if (names.length > 1) lines.push(`the same file: ${names.toSorted().join(' ')}`);
  lines.push(...output('find', [root, '-xdev', '-type', 'f', '-exec', 'sha256sum', '-z', '{}', '+']).split('\0'));
  lines.push(
    ...output('find', [
      root,
      '-xdev',
      '(',
      '-type',
      'c',
      '-o',
      '-type',
      'b',
      ')',
      '-exec',
      'stat',
      '--printf=%n %t:%T\\0',
      '{}',
      '+',
    ]).split('\0'),
  );
  if (xattrs) {
    lines.push(
      ...paragraphs(output('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', root])),
    );
    lines.push(...paragraphs(output('getfacl', ['-R', '-P', '-n', '--absolute-names', root])));
  }
  return lines.filter((line) => line !== '').toSorted();
}

/** The same of another tree, as if it stood where the first does. */
export function fingerprintAs(root: string, as: string): string[] {
  return fingerprint(root)
    .map((line) => line.replaceAll(root, as))
    .toSorted();
}

function paragraphs(text: string): string[] {
  return text.split('\n\n');
}

function output(program: string, args: readonly string[]): string {
  return execFileSync(program, args, {
    encoding: 'latin1',
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C' },
  });
}
