import fc from 'fast-check';

import type { Files } from './git-tree.ts';

/** Names that have to be quoted, and such that look like something else. */
const NAMES = [
  'plain',
  'two words',
  ' begins with one',
  'ends with one ',
  'a/b',
  'b b/b',
  'tab\there',
  'line\nbreak',
  '"quoted"',
  "it's",
  'back\\slash',
  'ö',
  '🦉 owl',
  '--- a',
  '+++ b',
  'dev/null',
  '.gitattributes',
  'gitfile',
  'x => y',
  '\u0001',
  'r\rn',
  '{a',
  '-p0',
];
const line = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '--- a/x',
    '+++ b/x',
    '@@ -1 +1 @@',
    'diff --git a/x b/x',
    '\\ No newline at end of file',
    'same',
    '- ',
    '+',
  ),
  fc.string({ maxLength: 12 }),
);
const text = fc
  .tuple(fc.array(line, { maxLength: 30 }), fc.constantFrom('\n', '\r\n'), fc.boolean())
  .map(([lines, end, closed]) => lines.map((one) => one.replaceAll(/[\r\n]/g, '')).join(end) + (closed ? end : ''));
const content = fc.oneof(
  { weight: 5, arbitrary: text },
  {
    weight: 1,
    arbitrary: fc.uint8Array({ minLength: 1, maxLength: 400 }).map((bytes) => Buffer.concat([Buffer.from([0]), bytes])),
  },
  { weight: 1, arbitrary: fc.constant('* text eol=crlf working-tree-encoding=UTF-16\n') },
);
const file = fc.record({ content, executable: fc.boolean() });
const path = fc
  .tuple(fc.constantFrom('', 'deep/er/', 'sp ace/'), fc.constantFrom(...NAMES))
  .map(([folder, name]) => folder + name);

const tree = fc.dictionary(path, file, { maxKeys: 6, noNullPrototype: true }).map(withoutCollisions);

/** A tree, and what has become of it: kept, changed, renamed, copied, removed, new. */
export const change: fc.Arbitrary<{ before: Files; after: Files }> = fc
  .tuple(
    tree,
    tree,
    fc.array(fc.tuple(fc.nat(5), path, fc.constantFrom('keep', 'append', 'rename', 'copy', 'mode')), { maxLength: 6 }),
  )
  .map(([before, fresh, deeds]) => {
    const after: Record<string, Files[string]> = { ...fresh };
    const names = Object.keys(before);
    for (const [which, to, deed] of deeds) {
      const name = names[which];
      const old = name === undefined ? undefined : before[name];
      if (name === undefined || old === undefined) continue;
      if (deed === 'keep') after[name] = old;
      if (deed === 'append')
        after[name] = { ...old, content: Buffer.concat([Buffer.from(old.content), Buffer.from('more\n')]) };
      if (deed === 'mode') after[name] = { ...old, executable: !old.executable };
      if (deed === 'rename' || deed === 'copy') after[to] = old;
      if (deed === 'copy') after[name] = old;
    }
    return { before, after: withoutCollisions(after) };
  })
  .filter(({ before, after }) => !collide([...Object.keys(before), ...Object.keys(after)]));

function withoutCollisions(files: Files): Files {
  const names = Object.keys(files);
  return Object.fromEntries(
    Object.entries(files).filter(([name]) => !names.some((other) => other.startsWith(`${name}/`))),
  );
}

/** A file here that is a folder there: no diff for x-surgeon. */
function collide(names: readonly string[]): boolean {
  return names.some((name) => names.some((other) => other.startsWith(`${name}/`)));
}
