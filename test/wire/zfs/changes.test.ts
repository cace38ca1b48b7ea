import { describe, expect, test } from 'vitest';

import { changesFrom, untold } from '../../../src/wire/zfs/changes.ts';
import { read } from './printed.ts';

const NOTHING = { added: [], modified: [], removed: [] };

function changes(text: string, mountpoint: string, ownChanges?: ReadonlySet<string>) {
  return changesFrom(read(text), mountpoint, ownChanges);
}

// Printed by OpenZFS 2.1.11, abridged.
const MANY = String.raw`M	/	/tank/parse/d/dir2
M	F	/tank/parse/d/dir/inner
M	F	/tank/parse/d/new\0012line
M	F	/tank/parse/d/back\0134slash
M	F	/tank/parse/d/em\0360\0237\0230\0200ji
M	F	/tank/parse/d/inv\0377\0376alid
M	F	/tank/parse/d/linked	(+1)
M	F	/tank/parse/d/mode
-	F	/tank/parse/d/gone
-	/	/tank/parse/d/godir
-	F	/tank/parse/d/godir/x
M	F	/tank/parse/d/xattr
-	F	/tank/parse/d/typechg
R	/	/tank/parse/d/mvdir	/tank/parse/d/dir2/mvdir2
M	/	/tank/parse/d/
R	F	/tank/parse/d/swapA	/tank/parse/d/swapB
R	F	/tank/parse/d/swapB	/tank/parse/d/swapA
-	F	/tank/parse/d/replaced
M	/	/tank/parse/d/dmode
M	/	/tank/parse/d/dmix
+	/	/tank/parse/d/xattr/<xattrdir>
+	F	/tank/parse/d/xattr/<xattrdir>/user.a
+	@	/tank/parse/d/typechg
+	F	/tank/parse/d/replaced
+	F	/tank/parse/d/dmix/new
`;

// The same: files open while unlinked, before the first snapshot and after it; hard links.
const OPEN = `M	/	/tank/parse/e/A
M	/	/tank/parse/e/B
M	F	/tank/parse/e/A/h	(+1)
R	F	/tank/parse/e/openlater	/tank/parse/e(on_delete_queue)
R	F	/tank/parse/e/B/multi2	/tank/parse/e/B/multi3
M	F	/tank/parse/e(on_delete_queue)
M	/	/tank/parse/e/
+	F	/tank/parse/e(on_delete_queue)
`;

// The same: extended attributes of an old and a new file, of a directory, of the root; and a file with a misleading name.
const ATTRIBUTES = `M	/	/tank/parse/x/dx
R	/	/tank/parse/x/m	/tank/parse/x/moved
M	F	/tank/parse/x/redir/<xattrdir>/user.old
+	F	/tank/parse/x/dx/in
+	F	/tank/parse/x/new
M	/	/tank/parse/x/
R	F	/tank/parse/x/m/chg	/tank/parse/x/moved/chg
M	F	/tank/parse/x/(on_delete_queue)
M	F	/tank/parse/x/redir
+	/	/tank/parse/x/dx/<xattrdir>
+	F	/tank/parse/x/dx/<xattrdir>/user.d
+	/	/tank/parse/x/<xattrdir>
+	F	/tank/parse/x/<xattrdir>/user.root
+	/	/tank/parse/x/new/<xattrdir>
+	F	/tank/parse/x/new/<xattrdir>/user.n
`;

describe('what zfs diff tells, as changes of paths', () => {
  test('is sorted text, relative to the root', () => {
    expect(changes(MANY, '/tank/parse/d')).toEqual({
      added: ['dir2/mvdir2', 'dmix/new'],
      modified: [
        'back\\\\slash',
        'dir/inner',
        'dmode',
        'em😀ji',
        'inv\\xff\\xfealid',
        'linked',
        'mode',
        'new\nline',
        'replaced',
        'swapA',
        'swapB',
        'typechg',
        'xattr',
      ],
      removed: ['godir', 'godir/x', 'gone', 'mvdir'],
    });
  });

  test('a directory is reported when somebody who looked says that it changed itself', () => {
    const { modified } = changes(MANY, '/tank/parse/d', new Set(['dmix', '', 'gone']));
    expect(modified).toEqual(expect.arrayContaining(['.', 'dmix']));
    expect(modified).not.toContain('dir2');
    expect(modified).not.toContain('gone');
  });

  test('what has no name any more is gone, and what had none never was', () => {
    expect(changes(OPEN, '/tank/parse/e')).toEqual({
      added: ['B/multi3'],
      modified: ['A', 'A/h'],
      removed: ['B/multi2', 'openlater'],
    });
  });

  test('extended attributes are changes of their file', () => {
    expect(changes(ATTRIBUTES, '/tank/parse/x')).toEqual({
      added: ['dx/in', 'moved', 'moved/chg', 'new'],
      modified: ['(on_delete_queue)', '.', 'dx', 'redir'],
      removed: ['m', 'm/chg'],
    });
  });

  test('the root is reported for itself, and not for what happened in it', () => {
    expect(changes('M\t/\t/tank/\n', '/tank')).toEqual({ ...NOTHING, modified: ['.'] });
    expect(changes('M\t/\t/tank/\n+\tF\t/tank/a\n', '/tank')).toEqual({ ...NOTHING, added: ['a'] });
    expect(changes('M\t/\t/\n+\tF\t/a\nM\tF\t(on_delete_queue)\n', '/')).toEqual({ ...NOTHING, added: ['a'] });
  });

  test('the mount point may have any name', () => {
    expect(changes('M\tF\t/mnt/b\\0040l\\0040\\0303\\0274/A\n', '/mnt/b l \xc3\xbc')).toEqual({
      ...NOTHING,
      modified: ['A'],
    });
    expect(changes('', '/tank')).toEqual(NOTHING);
  });

  test('a path that lies elsewhere is refused', () => {
    expect(() => changes('M\tF\t/tank/parse/dx\n', '/tank/parse/d')).toThrow(TypeError);
  });
});

describe('what zfs diff leaves open', () => {
  test('names below a renamed directory, names of hard links, a directory beside what is in it', () => {
    expect(untold(read(MANY), '/tank/parse/d')).toEqual({
      moved: [{ from: 'mvdir', to: 'dir2/mvdir2' }],
      linked: ['linked'],
      directories: ['dir2', '', 'dmix'],
    });
    // An attribute of dx and of the root settles it: they changed themselves.
    expect(untold(read(ATTRIBUTES), '/tank/parse/x')).toEqual({
      moved: [{ from: 'm', to: 'moved' }],
      linked: [],
      directories: [],
    });
    expect(untold(read(OPEN), '/tank/parse/e')).toEqual({ moved: [], linked: ['A/h'], directories: ['B', ''] });
  });

  test('may be nothing', () => {
    expect(untold(read('M\tF\t/tank/a\nM\t/\t/tank/b\n'), '/tank')).toEqual({ moved: [], linked: [], directories: [] });
  });

  test('entries added by who looked complete the changes', () => {
    const seen = {
      change: 'renamed',
      type: 'file',
      path: '/tank/parse/d/mvdir/deep',
      to: '/tank/parse/d/dir2/mvdir2/deep',
    } as const;
    const { added, removed } = changesFrom([...read(MANY), seen], '/tank/parse/d');
    expect(added).toContain('dir2/mvdir2/deep');
    expect(removed).toContain('mvdir/deep');
  });
});
