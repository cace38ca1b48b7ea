import { describe, expect, test } from 'vitest';

import { recordMutation, recordWords } from '../../../web/ledger/record-words.ts';

describe('the words of a record', () => {
  test('say what it is about', () => {
    expect(recordWords('requested', { request: { node: 'web1', intent: 'deploy' } })).toBe(
      'web1 asks for clearance: deploy',
    );
    expect(recordWords('rollback_started', { by: 'operator', who: 'token ci', reason: { message: 'too slow' } })).toBe(
      'Rollback begun by token ci: too slow',
    );
    expect(recordWords('halt_started', { nodes: ['a', 'b'] })).toBe('HALT AND FLUSH to a, b');
  });

  test('do for a type of a newer controller, and for a record that lacks something', () => {
    expect(recordWords('moon_landed', {})).toBe('moon landed');
    expect(recordWords('constructor', {})).toBe('constructor');
    expect(recordWords('destroyed', { target: 7 })).toBe('Let go of ?');
  });

  test('the mutation is its own, or that of what is destroyed', () => {
    expect(recordMutation({ mutation: 'm1' })).toBe('m1');
    expect(recordMutation({ target: { mutation: 'm2' } })).toBe('m2');
    expect(recordMutation({ node: 'crm' })).toBeUndefined();
  });
});
