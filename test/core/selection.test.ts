import { describe, expect, test } from 'vitest';

import type { Event, EventBody } from '../../src/core/event.ts';
import { type Selection, selects, type Subject, typesOf } from '../../src/core/selection.ts';

const event = (body: EventBody): Event => ({ at: 0, mono: 0, ...body });
const COMMITTED = event({ type: 'committed', mutation: 'm1', by: 'holder' });
const ROLLING = event({ type: 'rollback_started', mutation: 'm2', attempt: 1, by: 'controller' });
const SEALED = event({ type: 'sealed', dataset: 'tank/crm', driver: 'zfs' });
const STARTED = event({ type: 'controller_started', version: '1', node: 'host' });
const DESTROYED = event({
  type: 'destroyed',
  target: { kind: 'snapshot', mutation: 'm1', dataset: '/srv/site', driver: 'directory', name: 'n' },
});
const CRM: Subject = { node: 'crm', datasets: [{ name: 'tank/crm/db', driver: 'zfs', at: '/srv/crm/db' }] };

describe('a selection', () => {
  test.each<[string, Selection, Event, Subject | undefined, boolean]>([
    ['of nothing takes everything', {}, STARTED, undefined, true],
    ['by type', { types: ['committed'] }, COMMITTED, undefined, true],
    ['by another type', { types: ['denied'] }, COMMITTED, undefined, false],
    ['by one of several types', { types: ['denied', 'rollback*'] }, ROLLING, undefined, true],
    ['by no type at all', { types: [] }, COMMITTED, undefined, false],
    ['a star in front', { types: ['*_started'] }, ROLLING, undefined, true],
    ['a star that may be empty', { types: ['committed*'] }, COMMITTED, undefined, true],
    ['stars between', { types: ['r*k_st*d'] }, ROLLING, undefined, true],
    ['what overlaps itself does not fit twice', { types: ['commit*itted'] }, COMMITTED, undefined, false],
    ['a pattern is no regular expression', { types: ['c.mmitted'] }, COMMITTED, undefined, false],
    ['many stars', { types: [`${'*t'.repeat(400)}*x`] }, COMMITTED, undefined, false],
    ['by mutation', { mutation: 'm1' }, COMMITTED, undefined, true],
    ['by the mutation whose snapshot goes', { mutation: 'm1' }, DESTROYED, undefined, true],
    ['by another mutation', { mutation: 'm1' }, ROLLING, undefined, false],
    ['by a mutation, of what has none', { mutation: 'm1' }, SEALED, undefined, false],
    ['by the node of the mutation', { node: 'crm' }, COMMITTED, CRM, true],
    ['by another node', { node: 'crm2' }, COMMITTED, CRM, false],
    ['by the node an event names', { node: 'host' }, STARTED, undefined, true],
    ['by dataset', { dataset: 'tank/crm/db' }, COMMITTED, CRM, true],
    ['by what the dataset lies in', { dataset: 'tank' }, COMMITTED, CRM, true],
    ['by what lies in the dataset', { dataset: 'tank/crm/db/x' }, COMMITTED, CRM, false],
    ['by a name that only begins alike', { dataset: 'tank/crm/d' }, COMMITTED, CRM, false],
    ['by where it is mounted', { dataset: '/srv/crm' }, COMMITTED, CRM, true],
    ['by a path with a slash at its end', { dataset: '/srv/crm/' }, COMMITTED, CRM, true],
    ['by the root', { dataset: '/' }, COMMITTED, CRM, true],
    ['by the dataset an event names', { dataset: 'tank' }, SEALED, undefined, true],
    ['by the dataset of what is destroyed', { dataset: '/srv' }, DESTROYED, undefined, true],
    ['by dataset, of what has none', { dataset: 'tank' }, STARTED, undefined, false],
    ['everything named has to fit', { types: ['committed'], node: 'crm', dataset: '/etc' }, COMMITTED, CRM, false],
  ])('%s', (_, selection, of, subject, wanted) => {
    expect(selects(selection, of, subject)).toBe(wanted);
  });

  test('types are called as in CloudEvents too', () => {
    expect(typesOf('hauki.cleared, denied,,rollback*')).toEqual(['cleared', 'denied', 'rollback*']);
  });
});
