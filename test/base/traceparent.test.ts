import { expect, test } from 'vitest';

import { traceFields, traceparentIn } from '../../src/base/traceparent.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const GOOD = `00-${TRACE}-${SPAN}-01`;

test.each([
  ['as it is written', GOOD, GOOD],
  ['with blanks around it', ` ${GOOD}\t`, GOOD],
  ['of a later version, with more to it', `cc-${TRACE}-${SPAN}-01-what-the-future-will-be`, GOOD],
  ['of a later version, with no more', `01-${TRACE}-${SPAN}-00`, `00-${TRACE}-${SPAN}-00`],
])('a traceparent %s is taken', (_, text, taken) => {
  expect(traceparentIn(text)).toBe(taken);
});

test.each([
  ['nothing', undefined],
  ['nothing in it', ''],
  ['more than version 00 has', `${GOOD}-more`],
  ['version ff', `ff-${TRACE}-${SPAN}-01`],
  ['capitals', GOOD.toUpperCase()],
  ['a trace id of noughts', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['a span id of noughts', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['two of them', `${GOOD}, ${GOOD}`],
  ['a later version that goes on without a dash', `01-${TRACE}-${SPAN}-01x`],
  ['a line break in it', `${GOOD}\nx: y`],
])('%s is none', (_, text) => {
  expect(traceparentIn(text)).toBeUndefined();
});

test('log lines name its trace and its span', () => {
  expect(traceFields(GOOD)).toEqual({ trace_id: TRACE, span_id: SPAN });
  expect(traceFields(undefined)).toEqual({});
});
