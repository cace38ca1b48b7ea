import type { Span } from './span.ts';
import { lengthOf } from './span.ts';

/** A mark on the axis. `major`: it says the day, where the others say only the hour. */
export interface Tick {
  readonly time: number;
  readonly label: string;
  readonly major: boolean;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 5, 10].map((n) => n * DAY),
];
const MONTHS = [1, 2, 3, 6, 12, 24, 60, 120];
const MONTH_MS = 30.4 * DAY;
const NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * Round times in view, in UTC as the names of snapshots and the ledger are.
 *
 * @param most how many have room
 */
export function ticksOf(span: Span, most: number): Tick[] {
  const least = lengthOf(span) / Math.max(1, most);
  const step = STEPS.find((ms) => ms >= least);
  if (step === undefined) return monthTicks(span, MONTHS.find((n) => n * MONTH_MS >= least) ?? 240);
  // Days are counted within their month, or the tenth would wander.
  if (step > DAY) return dayTicks(span, step / DAY);
  const ticks: Tick[] = [];
  for (let time = Math.ceil(span.from / step) * step; time <= span.to; time += step) {
    const midnight = time % DAY === 0;
    ticks.push({ time, label: midnight ? dayLabel(time) : clockLabel(time, step), major: midnight && step < DAY });
  }
  return ticks;
}

function dayTicks(span: Span, days: number): Tick[] {
  const ticks: Tick[] = [];
  const date = new Date(Math.ceil(span.from / DAY) * DAY);
  for (; date.getTime() <= span.to; date.setUTCDate(date.getUTCDate() + 1)) {
    const day = date.getUTCDate();
    const left = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate() - day;
    // One too near to the first of the next month would write over it.
    if ((day - 1) % days !== 0 || (day > 1 && left + 1 < days)) continue;
    ticks.push({ time: date.getTime(), label: dayLabel(date.getTime()), major: day === 1 });
  }
  return ticks;
}

function monthTicks(span: Span, months: number): Tick[] {
  const begin = new Date(span.from);
  let month = Math.floor((begin.getUTCFullYear() * 12 + begin.getUTCMonth()) / months) * months;
  const ticks: Tick[] = [];
  for (; ; month += months) {
    const time = Date.UTC(Math.floor(month / 12), month % 12);
    if (time > span.to) return ticks;
    if (time < span.from) continue;
    const january = month % 12 === 0;
    const year = Math.floor(month / 12);
    ticks.push({
      time,
      label: january ? `${year}` : `${NAMES[month % 12] ?? ''} ${year}`,
      major: january && months < 12,
    });
  }
}

function dayLabel(time: number): string {
  const date = new Date(time);
  return `${date.getUTCDate()} ${NAMES[date.getUTCMonth()] ?? ''}`;
}

function clockLabel(time: number, step: number): string {
  const clock = new Date(time).toISOString().slice(11, 23);
  if (step < SECOND) return clock;
  return step < MINUTE ? clock.slice(0, 8) : clock.slice(0, 5);
}
