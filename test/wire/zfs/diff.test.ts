import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type DiffEntry, diffReader } from '../../../src/wire/zfs/diff.ts';
import { read } from './printed.ts';

/** As libzfs prints it (print_file, print_rename, print_link_change, stream_bytes). */
function printed({ change, type, path, to, links }: DiffEntry): string {
  const sign = { added: '+', removed: '-', modified: 'M', renamed: 'R' }[change];
  const letter = {
    file: 'F',
    directory: '/',
    symlink: '@',
    block: 'B',
    character: 'C',
    fifo: '|',
    socket: '=',
    door: '>',
    port: 'P',
    unknown: '?',
  }[type];
  const more = to !== undefined ? `\t${escaped(to)}` : links !== undefined ? `\t(${links > 0 ? '+' : ''}${links})` : '';
  return `${sign}\t${letter}\t${escaped(path)}${more}\n`;
}

function escaped(path: string): string {
  return path.replaceAll(/[^!-[\]-~]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(4, '0')}`);
}

const path = fc
  .uint8Array({ minLength: 1, maxLength: 12, min: 1 })
  .map((bytes) => `/tank/${Buffer.from(bytes).toString('latin1')}`);
const type = fc.constantFrom<DiffEntry['type']>(
  'file',
  'directory',
  'symlink',
  'block',
  'character',
  'fifo',
  'socket',
  'door',
  'port',
  'unknown',
);
const entry = fc.oneof<fc.Arbitrary<DiffEntry>[]>(
  fc.record({ change: fc.constantFrom('added', 'removed', 'modified'), type, path }),
  fc.record({ change: fc.constant('renamed'), type, path, to: path }),
  fc.record({
    change: fc.constant('modified'),
    type,
    path,
    links: fc.integer({ min: -9, max: 9 }).filter((links) => links !== 0),
  }),
);

describe('zfs diff -FH', () => {
  test('any entries come back from what is printed of them, cut anywhere', () => {
    const cuts = fc.array(fc.nat(), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(entry), cuts, (entries, cuts) => {
        const bytes = Buffer.from(entries.map(printed).join(''), 'latin1');
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
        const found: DiffEntry[] = [];
        const reader = diffReader((entry) => void found.push(entry));
        for (const [index, begin] of at.entries()) reader.push(new Uint8Array(bytes.subarray(begin, at[index + 1])));
        reader.end();
        expect(found).toEqual(entries);
      }),
    );
  });

  test('real lines of 2.1.11', () => {
    const text = String.raw`M	F	/tank/parse/d/sp\0040ace
M	F	/tank/parse/d/new\0012line
M	F	/tank/parse/d/lit\01340040
M	F	/tank/parse/d/em\0360\0237\0230\0200ji
M	F	/tank/parse/d/inv\0377\0376alid
M	F	/tank/parse/d/linked	(+1)
M	F	/tank/parse/d/unlink2	(-1)
R	F	/tank/parse/d/mv\0040a\0040->\0040b	/tank/parse/d/mv\0040c\0012\0040->\0040d\0377
+	@	/tank/parse/d/lnk
+	|	/tank/parse/d/fifo
+	B	/tank/parse/d/blk
+	C	/tank/parse/d/chr
+	=	/tank/parse/d/sock
M	/	/tank/parse/d/
`;
    const at = '/tank/parse/d/';
    expect(read(text)).toEqual([
      { change: 'modified', type: 'file', path: `${at}sp ace` },
      { change: 'modified', type: 'file', path: `${at}new\nline` },
      { change: 'modified', type: 'file', path: `${at}lit\\0040` },
      { change: 'modified', type: 'file', path: `${at}em\xf0\x9f\x98\x80ji` },
      { change: 'modified', type: 'file', path: `${at}inv\xff\xfealid` },
      { change: 'modified', type: 'file', path: `${at}linked`, links: 1 },
      { change: 'modified', type: 'file', path: `${at}unlink2`, links: -1 },
      { change: 'renamed', type: 'file', path: `${at}mv a -> b`, to: `${at}mv c\n -> d\xff` },
      { change: 'added', type: 'symlink', path: `${at}lnk` },
      { change: 'added', type: 'fifo', path: `${at}fifo` },
      { change: 'added', type: 'block', path: `${at}blk` },
      { change: 'added', type: 'character', path: `${at}chr` },
      { change: 'added', type: 'socket', path: `${at}sock` },
      { change: 'modified', type: 'directory', path: at },
    ]);
  });

  test.each([
    ['a raw blank, as -h prints it', 'M\tF\t/tank/sp ace\n'],
    ['a newline, as -h prints it', 'M\tF\t/tank/new\nline\n'],
    ['no type, as without -F', 'M\t/tank/plain\n'],
    ['an arrow, as without -H', 'R\tF\t/tank/a -> /tank/b\n'],
    ['a time, as with -t', '1795508175.968000000\tM\tF\t/tank/a\n'],
    ['an unknown change', 'X\tF\t/tank/a\n'],
    ['a name of every object', 'constructor\tF\t/tank/a\n'],
    ['a rename to nowhere', 'R\tF\t/tank/a\n'],
    ['a rename to nothing', 'R\tF\t/tank/a\t\n'],
    ['a link count of what was added', '+\tF\t/tank/a\t(+1)\n'],
    ['a broken escape', 'M\tF\t/tank/\\040\n'],
    ['no path', 'M\tF\t\n'],
    ['an empty line', '\n'],
    ['one field too many', 'R\tF\t/tank/a\t/tank/b\t/tank/c\n'],
    ['half a line', 'M\tF\t/tank/a'],
  ])('refuses %s', (_, text) => expect(() => read(text)).toThrow(TypeError));
});
