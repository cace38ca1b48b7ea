import { describe, expect, test } from 'vitest';

import { isBlocked, planText } from '../../../web/mutation/plan.ts';

const plan = {
  dataset: '/srv/site',
  snapshot: '/srv/site@PRE_web1',
  changes: { added: ['new'], modified: ['\u202egnp.exe'], removed: [] as string[] },
  openFiles: [{ pid: 7, command: 'nginx', path: '/srv/site/log' }],
  blockers: [] as { kind: string; name: string; why: string }[],
  steps: ['stop', 'go back'],
};

describe('a plan', () => {
  test('is told as by the command line, and what cannot be seen is shown', () => {
    expect(planText({ plans: [plan] })).toBe(
      [
        '/srv/site would go back to /srv/site@PRE_web1',
        '  1. stop',
        '  2. go back',
        '  changes back: 1 to remove, 1 to restore, 0 to bring back',
        '    - new',
        String.raw`    M \u202egnp.exe`,
        '  open: /srv/site/log by 7 (nginx)',
        '  nothing stands in the way',
      ].join('\n'),
    );
  });

  test('names what stands in the way, and cannot be agreed to then', () => {
    const blocked = {
      plans: [{ ...plan, blockers: [{ kind: 'newer mutation', name: 'm2', why: 'it would be undone' }] }],
    };
    expect(planText(blocked)).toContain('  IN THE WAY: newer mutation m2: it would be undone');
    expect([isBlocked(blocked), isBlocked({ plans: [plan] }), isBlocked({ plans: [] })]).toEqual([true, false, true]);
  });

  test('of very many changes names some and counts the rest', () => {
    const added = Array.from({ length: 1_000 }, (_, index) => `file${index}`);
    const lines = planText({ plans: [{ ...plan, changes: { ...plan.changes, added } }] }).split('\n');
    expect(lines.length).toBeLessThan(220);
    expect(lines).toContain('    - … and 800 more');
  });
});
