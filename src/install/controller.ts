import { refusal, RefusedError } from '../base/refusal.ts';
import { CONTROLLER_UNIT, controllerUnit, type ControllerUnit } from './controller-unit.ts';
import { take, type Taking } from './steps.ts';
import type { There } from './there.ts';
import { isActive, removalSteps, requireSystemd, start, unitSteps } from './unit.ts';

export interface ControllerInstall extends Taking {
  readonly there: There;
  readonly unit: ControllerUnit;
  /** Whether it takes requests. */
  readonly answers: () => Promise<boolean>;
  readonly patienceMs: number;
}

const LOOK_MS = 250;

/** Makes a controller a service of this host. @returns what was changed, in words @throws RefusedError */
export async function installController({
  there,
  unit: described,
  answers,
  patienceMs,
  ...taking
}: ControllerInstall): Promise<string[]> {
  await requireSystemd(there);
  const unit = { name: CONTROLLER_UNIT, text: controllerUnit(described) };
  const wasActive = await isActive(there, unit);
  const answering = async (): Promise<undefined> => {
    const until = performance.now() + patienceMs;
    while (!taking.dryRun && !(await answers())) {
      if (performance.now() > until)
        throw new RefusedError(
          refusal('install_failed', `${unit.name} runs, but nothing answers on ${described.home}.`),
        );
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  };
  return take([...unitSteps(there, unit, described.argv.slice(0, 2)), answering], {
    ...taking,
    restored: async () => {
      if (wasActive) await start(there, unit);
    },
  });
}

/** Takes the service away. Its data stay. */
export async function uninstallController({ there, ...taking }: Taking & { readonly there: There }): Promise<string[]> {
  await requireSystemd(there);
  return take(removalSteps(there, { name: CONTROLLER_UNIT }), taking);
}
