import { refusal } from '../src/base/refusal.ts';
import { err, ok } from '../src/base/result.ts';
import type { Processes } from '../src/ports/processes.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

/** Ends the commands that run under a mutation; some will not go, and sometimes it takes for ever. */
export function fakeProcesses(world: World, controller: Being): Processes {
  const { timeline, random, weather, invariants } = world;
  return {
    async stop(mutation) {
      invariants.effectBegins(mutation);
      try {
        await timeline.pause(random.latency(0, 500), controller);
        if (random.chance(weather.stopHangs)) await timeline.pause(random.int(20_000, 100_000), controller);
        const running = [...world.commands].filter((command) => command.mutation === mutation);
        if (running.length > 0 && random.chance(weather.stopRefuses)) {
          return err(refusal('holder_unstoppable', `The command of ${mutation} sits in an uninterruptible call.`));
        }
        for (const command of running) command.kill();
        return ok({ stopped: running.length });
      } finally {
        invariants.effectEnds(mutation);
      }
    },
  };
}
