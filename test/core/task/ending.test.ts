import { describe, expect, test } from 'vitest';

import { type Code, CODES } from '../../../src/base/codes.ts';
import { refusal } from '../../../src/base/refusal.ts';
import { completedWords, executingWords, isForLater } from '../../../src/core/task/ending.ts';

describe('the end of a task', () => {
  test('is put off only where a later try can go through, and nothing was executed', () => {
    const later = (Object.keys(CODES) as Code[]).filter((code) => isForLater(refusal(code, 'x'), true));
    for (const code of later) expect(CODES[code]).toMatchObject({ retry: true, exit: 75 });
    expect(later).toContain('controller_unreachable');
    for (const code of ['lock_timeout', 'policy_denied', 'low_space', 'task_unsigned'] as const)
      expect(later).not.toContain(code);
    // Else somebody has taken the request back, and would have to again.
    expect([true, false].map((stopping) => isForLater(refusal('cancelled', 'x'), stopping))).toEqual([true, false]);
  });

  test('is said as the mission does', () => {
    expect(executingWords('third_strike.task', 'zfs')).toBe(
      'ZFS Lock secured. Executing code surgery: third_strike.task',
    );
    expect(executingWords('x', 'directory')).toBe('Directory Lock secured. Executing code surgery: x');
    expect(executingWords('x', 'memory')).toBe('Lock secured. Executing code surgery: x');
    expect(completedWords('third_strike.task')).toBe('Surgery third_strike.task COMPLETED flawlessly.');
  });
});
