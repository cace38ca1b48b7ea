import { refusal, RefusedError } from '../../base/refusal.ts';
import { connect } from '../connect.ts';
import { exitCodeOf, oneLine, printJson, printRefusal, say } from '../output.ts';
import { askOf, type AskOptions, nodeName } from './asking.ts';
import { clearance, Interrupted } from './clearance.ts';

export interface BarrierOptions extends Omit<AskOptions, 'critical' | 'hold' | 'onExpiry' | 'ttl'> {
  readonly controller?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const EXAMPLE = 'For example: hauki barrier --intent "before the upgrade" --dataset tank/meshfs --recursive';
const EXIT_DENIED = 75;

/** `hauki barrier`: halt and flush everywhere, one master snapshot, and everybody goes on. @returns the exit code */
export async function barrier(options: BarrierOptions): Promise<number> {
  const json = options.json ?? false;
  const talk = (text: string): void => {
    if (!json && !options.quiet) say(text);
  };
  try {
    const connection = connect(options.controller);
    const ask = askOf({ ...options, critical: true }, connection.operator ? nodeName() : undefined, EXAMPLE);
    const lease = await clearance(ask, connection, talk, !json && !options.quiet);
    const { mutation, snapshots, fence } = lease.cleared;
    const view = await lease.commit();
    if (view.stage !== 'committed')
      throw new RefusedError(refusal('outcome_unknown', `The barrier's mutation ${mutation} is ${view.stage}.`));
    if (json) {
      const { participants = [] } = view;
      printJson({ status: 'verified', epoch: fence, mutation, snapshots, participants });
    }
    for (const snapshot of snapshots) talk(`master snapshot ${oneLine(snapshot)}`);
    talk(`verified: every node stayed halted until it was taken (barrier ${fence}, mutation ${mutation})`);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      if (json) printJson({ status: 'cancelled', signal: error.signal, exitCode: error.code });
      else say('interrupted; the nodes go on');
      return error.code;
    }
    if (!(error instanceof RefusedError)) throw error;
    printRefusal(error.refusal, json);
    const code = exitCodeOf(error);
    return code === 64 || code === 70 ? code : EXIT_DENIED;
  }
}
