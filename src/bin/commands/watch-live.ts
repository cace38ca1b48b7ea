import { eventsFrom, type EventsQuery } from '../../client/events.ts';
import type { Event } from '../../core/event.ts';
import { type Paint, paintFor, type Style } from '../colour.ts';
import type { Connection } from '../connect.ts';
import { Footer } from '../live/footer.ts';
import { type Scene, sceneLines } from '../live/scene.ts';
import { oneLine, writeTo } from '../output.ts';
import { columnsOf } from '../table.ts';

/** How often is asked who holds what: its clocks go on in between. */
const LOOK_MS = 1_000;
/** While nodes are awaited, it is looked more often. */
const LOOK_AT_BARRIER_MS = 250;
const DRAW_MS = 250;
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const STYLES: Readonly<Partial<Record<Event['type'], Style>>> = {
  cleared: 'cyan',
  committed: 'green',
  rollback_started: 'yellow',
  rolled_back: 'yellow',
  denied: 'red',
  access_denied: 'red',
  quarantined: 'magenta',
  cancelled: 'dim',
  renewed: 'dim',
  snapshot_started: 'dim',
  commit_started: 'dim',
};

export interface LiveOptions {
  readonly query: EventsQuery;
  readonly controller: string;
  readonly describe: (event: Event) => string;
}

/**
 * `hauki watch` on a terminal: events scroll by, and below them stands who holds what, who waits for whom, which node is awaited. Ends by a
 * signal, and leaves the events where they are.
 */
export async function watchLive({ client }: Connection, { query, controller, describe }: LiveOptions): Promise<number> {
  const { stdout } = process;
  const paint = paintFor(1);
  const footer = new Footer((text) => writeTo(1, text), stdout);
  let scene: Scene = {
    controller,
    records: query.after ?? 0,
    locks: [],
    barriers: [],
    nodes: undefined,
    silentSince: undefined,
  };
  const draw = (): void => footer.draw(sceneLines(scene, Date.now(), columnsOf(stdout), paint));
  const silent = (): void => void (scene = { ...scene, silentSince: scene.silentSince ?? Date.now() });
  const look = async (): Promise<void> => {
    try {
      const [{ locks }, { barriers }, nodes] = await Promise.all([
        client.locks(),
        client.barriers(),
        // Not everybody may see them.
        client.nodes().then(
          (list) => list.nodes,
          () => undefined,
        ),
      ]);
      const shown = query.node === undefined ? locks : locks.filter(({ node }) => node === query.node);
      scene = { ...scene, locks: shown, barriers, nodes, silentSince: undefined };
    } catch {
      silent();
    }
  };
  const looking = repeating(look, () => (scene.barriers.length > 0 ? LOOK_AT_BARRIER_MS : LOOK_MS));
  const drawing = setInterval(draw, DRAW_MS);
  for (const signal of ENDING)
    process.once(signal, () => {
      clearInterval(drawing);
      footer.clear();
      // As it would have without us: by the signal.
      process.kill(process.pid, signal);
    });
  try {
    for await (const { id, time, data } of eventsFrom(client, query, { lost: silent })) {
      scene = { ...scene, records: Math.max(scene.records, Number(id)), silentSince: undefined };
      footer.print(eventLine(time, data, describe, paint));
      looking.now();
    }
  } finally {
    clearInterval(drawing);
    looking.stop();
    footer.clear();
  }
  return 0;
}

function eventLine(time: string, event: Event, describe: (event: Event) => string, paint: Paint): string {
  const words = oneLine(describe(event));
  // The id behind is for whoever looks for it.
  const [, what = words, id = ''] = /^(.*?)(\s+\[[^\]]+\])?$/s.exec(words) ?? [];
  return `${paint('dim', time.slice(11, 23))}  ${paint(STYLES[event.type], what)}${paint('dim', id)}`;
}

/** Does something again and again, one at a time, and at once when it is wanted. */
function repeating(work: () => Promise<void>, everyMs: () => number): { now: () => void; stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let working = false;
  let again = false;
  let stopped = false;
  const run = async (): Promise<void> => {
    clearTimeout(timer);
    if (working) {
      again = true;
      return;
    }
    working = true;
    await work();
    working = false;
    if (stopped) return;
    timer = setTimeout(() => void run(), again ? 0 : everyMs());
    again = false;
  };
  void run();
  return {
    now: () => void run(),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
