import { expect, test } from 'vitest';

import type { Stage } from '../../src/core/mutation/mutation.ts';
import { standing } from './story.ts';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const STAGES: readonly Stage[] = ['denied', 'cancelled', 'committed', 'rolled_back', 'quarantined', 'verifying'];

test.each(STAGES)('every event of a traced mutation that ends up %s carries its trace, and no other does', (stage) => {
  const { events } = standing(stage, { traceparent });
  const own = events.filter((event) => 'mutation' in event && event.mutation === 'm');
  expect(own.length).toBeGreaterThan(1);
  for (const event of events) expect(event.traceparent).toBe(own.includes(event) ? traceparent : undefined);
});

test.each(STAGES)('without a trace there is no such member (%s)', (stage) => {
  for (const event of standing(stage).events) expect(event).not.toHaveProperty('traceparent');
});
