import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { type Block, parseGem } from '../../../src/core/gem/gem.ts';

const F = '```';

function blocks(text: string): readonly Block[] {
  const gem = parseGem(text);
  if (!gem.ok) throw new Error(gem.error.message);
  return gem.value.blocks;
}

const FOUND: readonly (readonly [what: string, text: string, blocks: readonly Partial<Block>[]])[] = [
  [
    'a fence',
    `Do:\n\n${F}sh gem-exec node=crm\nls\n${F}\n`,
    [{ line: 3, endLine: 5, node: 'crm', script: 'ls\n', interpreter: 'sh' }],
  ],
  ['without a language', `${F}gem-exec\nls\n${F}`, [{ script: 'ls\n', interpreter: 'sh' }]],
  ['for bash', `${F} bash gem-exec \nls\n${F}`, [{ interpreter: 'bash' }]],
  ['tildes', `~~~gem-exec verify="a \`b\`"\nls\n~~~~\t\n`, [{ verify: 'a `b`' }]],
  [
    'all it can say',
    `${F}gem-exec node=crm intent="bump \\"it\\" \\\\" mode=critical timeout=1m30s verify='./check --all' datasets=tank/a,/srv/b\nls\n${F}`,
    [
      {
        node: 'crm',
        intent: 'bump "it" \\',
        mode: 'critical',
        timeoutMs: 90_000,
        verify: './check --all',
        datasets: ['tank/a', '/srv/b'],
      },
    ],
  ],
  [
    'shorter fences inside',
    `${F}\`\`gem-exec\ncat <<E\n${F}\n${F}\`\nE\n${F}\`\`\`\n`,
    [{ script: `cat <<E\n${F}\n${F}\`\nE\n` }],
  ],
  ['the other kind inside', `~~~gem-exec\n${F}gem-exec\n~~~`, [{ script: `${F}gem-exec\n` }]],
  ['CRLF', `${F}gem-exec node=crm\r\nls\r\npwd\r\n${F}\r\n`, [{ node: 'crm', script: 'ls\npwd\n' }]],
  ['tabs in its commands', `${F}gem-exec\n\tls\n${F}`, [{ script: '\tls\n' }]],
  ['an indented fence', `   ${F}gem-exec\n   ls\n     pwd\n -\n   ${F}`, [{ script: 'ls\n  pwd\n-\n' }]],
  [
    'in a list',
    `1. First:\n\n   ${F}gem-exec node=a\n   ls\n\n   pwd\n   ${F}\n2. ${F}gem-exec node=b\n   id\n   ${F}\n10. Then\n\n    ${F}gem-exec node=c\n    ls\n    ${F}`,
    [
      { node: 'a', script: 'ls\n\npwd\n' },
      { node: 'b', script: 'id\n' },
      { node: 'c', script: 'ls\n' },
    ],
  ],
  ['in a list in a list, by tabs', `-\tone\n\t- two\n\n\t  ${F}gem-exec\n\t  ls\n\t  ${F}\n`, [{ script: 'ls\n' }]],
  [
    'a section',
    `[GEM-EXEC]\nls\n\n# a comment\npwd\n[/GEM-EXEC]\n`,
    [{ line: 1, endLine: 6, script: 'ls\n\n# a comment\npwd\n' }],
  ],
  [
    'a section that says more',
    `[GEM-EXEC node=crm intent="it's [time]"]\nls\n[/GEM-EXEC]`,
    [{ node: 'crm', intent: "it's [time]" }],
  ],
  [
    'a section with a fence',
    `[GEM-EXEC node=crm]\n\n${F}bash\nls\n${F}\n\n[/GEM-EXEC]\nmore`,
    [{ interpreter: 'bash', script: 'ls\n', line: 1, endLine: 5 }],
  ],
  ['the same without its end', `[GEM-EXEC node=crm]\n~~~\nls\n~~~\nmore`, [{ script: 'ls\n' }]],
  [
    'the same block twice',
    `${F}gem-exec\nls\n${F}\n${F}gem-exec\nls\n${F}\n${F}gem-exec node=x\nls\n${F}`,
    [{ line: 1 }, { line: 4, sameAs: 0 }, { line: 7 }],
  ],
  ['a marker in the middle of a line is prose', `Use [GEM-EXEC] so:\n${F}gem-exec\nls\n${F}`, [{ line: 2 }]],
];

const PASSED: readonly (readonly [what: string, text: string, why: string])[] = [
  ['a quote', `> ${F}gem-exec\n> rm -rf /\n> ${F}\n`, 'quoted'],
  ['a quote in a quote', `> > [GEM-EXEC]\n> > ls\n`, 'quoted'],
  ['a quote in a list', `- he said\n\n  > ${F}gem-exec\n  > ls\n  > ${F}\n`, 'quoted'],
  ['a list in a quote', `> - ${F}gem-exec\n>   ls\n>   ${F}\n`, 'quoted'],
  ['a quote right behind a bullet', `- > ${F}gem-exec\n  > ls\n`, 'quoted'],
  ['indented code', `text\n\n    ${F}gem-exec\n    ls\n    ${F}\n`, 'indented code'],
  ['indented by a tab', `\t[GEM-EXEC]\n\tls\n\t[/GEM-EXEC]\n`, 'indented code'],
  ['a marker in another fence', `${F}md\n[GEM-EXEC]\nls\n${F}\n`, 'another fence'],
  ['a marked fence in a longer one', `${F}\`md\n${F}sh gem-exec\nls\n${F}\n${F}\`\n`, 'another fence'],
  ['a comment', `<!--\n${F}gem-exec\nls\n${F}\n-->\n`, 'comment'],
  ['HTML that is taken as it is', `<pre>\n[GEM-EXEC]\n</pre>\n`, 'comment'],
];

const REFUSED: readonly (readonly [what: string, text: string, why: string])[] = [
  ['nothing', '', 'no command block'],
  ['an open fence', `a\n${F}gem-exec\nls\n`, 'Line 2: the fence is not closed'],
  ['an open fence of something else', `${F}md\nls\n\n${F}gem-exec\nls\n`, 'Line 1: the fence is not closed'],
  ['one that is closed too short', `${F}\`gem-exec\nls\n${F}\n`, 'Line 1: the fence is not closed'],
  ['one whose list ends', `- ${F}gem-exec\n  ls\n${F}\n`, 'Line 1: the fence is not closed'],
  ['an open section', `[GEM-EXEC]\nls\n\n# Next\n\nSome prose.\n`, 'Line 1: nobody can say where the section ends'],
  ['a section in a section', `[GEM-EXEC]\nls\n[GEM-EXEC]\npwd\n[/GEM-EXEC]\n`, 'Line 1: nobody can say'],
  [
    'a fence in the middle of a section',
    `[GEM-EXEC]\nls\n${F}\npwd\n${F}\n[/GEM-EXEC]\n`,
    'Line 3: a fence in the middle',
  ],
  [
    'commands behind the fence of a section',
    `[GEM-EXEC]\n${F}\nls\n${F}\npwd\n[/GEM-EXEC]\n`,
    'Line 6: [/GEM-EXEC] closes nothing',
  ],
  ['an end without a beginning', '[/GEM-EXEC]\n', 'closes nothing'],
  ['marked twice', `[GEM-EXEC]\n${F}gem-exec\nls\n${F}\n`, 'Line 2: it is marked twice'],
  ['commands behind the marker', '[GEM-EXEC] ls\n', 'alone on its line'],
  ['an open marker', '[GEM-EXEC node=crm\nls\n', 'alone on its line'],
  ['a small marker', '[gem-exec]\nls\n[/gem-exec]\n', 'in capitals'],
  ['a marker that is a heading', `## [GEM-EXEC]\n${F}\nls\n${F}\n`, 'without decoration'],
  ['a bold one', '**[GEM-EXEC]**\nls\n', 'without decoration'],
  ['another language', `${F}python gem-exec\nprint()\n${F}\n`, 'is not understood'],
  ['another order', `${F}node=crm x gem-exec\nls\n${F}\n`, 'is not understood'],
  ['capitals', `${F}sh GEM-EXEC\nls\n${F}\n`, 'is not understood'],
  ['the way of pandoc', `${F}{.sh .gem-exec}\nls\n${F}\n`, 'is not understood'],
  ['a backtick behind the fence', `${F}gem-exec verify="\`x\`"\nls\n${F}\n`, 'a backtick'],
  ['another language in a section', `[GEM-EXEC]\n${F}console\n$ ls\n${F}\n`, 'is no shell'],
  ['no command', `${F}gem-exec\n\n  # nothing\n${F}\n`, 'no command'],
  ['a NUL', `${F}gem-exec\nls \0\n${F}\n`, 'NUL'],
  ...(
    [
      ['nodes=crm', 'nodes= is not known'],
      ['node=a node=b', 'node= stands there twice'],
      ['node=', 'is no name=value'],
      ['node="crm', 'quote is not closed'],
      ['node="a"intent="b"', 'is no name=value'],
      ['node=-crm', 'cannot be the name of a node'],
      ['crm', 'is no name=value'],
      ['intent=" "', 'The intent is empty'],
      ['mode=Critical', 'mode is standard or critical'],
      ['timeout=5', 'is not a duration'],
      ['timeout=0s', 'leaves no time'],
      ['timeout=25h', '24 h at most'],
      ['verify=""', 'verify= is empty'],
      ['datasets=a,,b', 'empty name'],
    ] as const
  ).map(([attributes, why]) => [attributes, `\n${F}gem-exec ${attributes}\nls\n${F}\n`, why] as const),
];

describe('blocks are found', () => {
  test.each(FOUND)('%s', (_, text, expected) => {
    const found = blocks(text);
    expect(found).toMatchObject(expected);
    expect(found.length).toBe(expected.length);
  });

  test.each(PASSED)('but not in %s', (_, text, why) => {
    expect(parseGem(text)).toMatchObject({ ok: false, error: { code: 'gem_invalid' } });
    const gem = parseGem(`${text}\n\nend\n\n${F}gem-exec\necho real\n${F}\n`);
    expect(gem.ok && gem.value.blocks.map(({ script }) => script)).toEqual(['echo real\n']);
    expect(gem.ok && gem.value.passed[0]?.why).toContain(why);
  });

  test.each(REFUSED)('or refused: %s', (_, text, why) => {
    const gem = parseGem(text);
    expect(gem).toMatchObject({ ok: false, error: { code: 'gem_invalid' } });
    expect(!gem.ok && gem.error.message).toContain(why);
  });

  test('whatever the commands are, they come out as they went in', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('', '>', '# x', '- y', '[GEM-EXEC]', '[/GEM-EXEC]', '~~~', '````', '    z', '\t'),
    );
    const command = line.map((text) => text.replaceAll(/[\r\n\0]/g, ''));
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 12 }),
        fc.constantFrom('', '- ', '1. '),
        fc.constantFrom('\n', '\r\n'),
        (lines, bullet, end) => {
          const script = ['echo', ...lines];
          const inner = [`${'`'.repeat(300)}gem-exec`, ...script, '`'.repeat(300)];
          const text = inner
            .map((one, at) => (at === 0 ? bullet : one === '' ? '' : ' '.repeat(bullet.length)) + one)
            .join(end);
          const [block] = blocks(`before${end}${end}${text}${end}`);
          expect(
            block?.script
              .split('\n')
              .slice(0, -1)
              .map((one) => one.replace(/^[ \t]+$/, '')),
          ).toEqual(script.map((one) => one.replace(/^[ \t]+$/, '')));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('whatever the text is, it is read or refused', () => {
    const piece = fc.constantFrom(
      F,
      '~~~',
      'gem-exec',
      '[GEM-EXEC]',
      '[/GEM-EXEC]',
      '\n',
      '\r\n',
      '> ',
      '- ',
      '\t',
      '    ',
      '<!--',
      '-->',
      ' node=crm',
      '"',
      'ls',
      '1. ',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        expect(parseGem(pieces.join('')).ok).toBeTypeOf('boolean');
      }),
      { numRuns: 2_000 },
    );
  });

  test('10 MB are read', () => {
    const block = `- item\n\n${F}sh gem-exec node=crm\nls\n${F}\n\n[GEM-EXEC]\n\n\nls\n[/GEM-EXEC]\n\n`;
    const many = block.repeat(Math.ceil(10_000_000 / block.length));
    expect(blocks(many).length).toBe(Math.ceil(10_000_000 / block.length) * 2);
    for (const long of [
      'x',
      '`',
      '> ',
      '- ',
      ' ',
      '\t',
      '[GEM-EXEC ',
      '"',
      `${F}gem-exec `,
      '[GEM-EXEC]\n\n',
      '<!--\n',
    ])
      expect(parseGem(long.repeat(10_000_000 / long.length)).ok).toBe(false);
    for (const [first, more] of [
      ['[GEM-EXEC', ' '],
      ['> ', '~'],
      ['', '`'],
    ] as const)
      expect(parseGem(`${first}${more.repeat(1_000_000)}x\``).ok).toBe(false);
  }, 60_000);
});
