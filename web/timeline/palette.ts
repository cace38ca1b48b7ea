import { type Outcome, OUTCOMES } from './mutation.ts';

/** The colours of the page as they are now: they change with the reader's preference for light or dark. */
export interface Palette {
  readonly ink: string;
  readonly soft: string;
  readonly paper: string;
  readonly line: string;
  readonly accent: string;
  readonly outcomes: Readonly<Record<Outcome, string>>;
  readonly font: string;
}

/** What the page calls them. Waiting is not an outcome, and has a colour only where the page gives it one. */
const PROPERTIES: Readonly<Record<Outcome, readonly string[]>> = {
  committed: ['--outcome-committed'],
  cleared: ['--outcome-cleared'],
  waiting: ['--outcome-queued', '--ink-soft'],
  cancelled: ['--outcome-cancelled'],
  denied: ['--outcome-denied'],
  rolled_back: ['--outcome-rolled_back'],
  quarantined: ['--outcome-quarantined'],
};

export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const read = (...names: readonly string[]): string =>
    names.map((name) => style.getPropertyValue(name).trim()).find((value) => value !== '') ?? style.color;
  return {
    ink: read('--ink'),
    soft: read('--ink-soft'),
    paper: read('--surface', '--paper'),
    line: read('--line'),
    accent: read('--accent'),
    outcomes: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, read(...PROPERTIES[outcome])])) as Record<
      Outcome,
      string
    >,
    font: style.fontFamily,
  };
}
