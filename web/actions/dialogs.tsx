import type { MutationView, PlanView, PruneView } from '../../src/wire/http.ts';
import type { Commanded } from '../../src/wire/mesh.ts';
import { oneLine } from '../../src/wire/one-line.ts';
import { get, mutationPath, nodePath, Refused, send } from '../api.ts';
import { useAsked } from '../live/hooks.ts';
import { isBlocked, planText } from '../mutation/plan.ts';
import { ActionDialog, type Choice } from '../parts/dialog.tsx';
import { Loading, Notice, RefusalNotice } from '../parts/notice.tsx';
import { Words } from '../parts/text.tsx';
import { size } from '../../src/base/size.ts';
import { count, stageWords } from '../words.ts';
import type { Action } from './asking.ts';
import { DropDialog } from './drop.tsx';

export interface DialogProps<K extends Action['kind']> {
  readonly action: Extract<Action, { readonly kind: K }>;
  readonly done: (words: string) => void;
  readonly close: () => void;
}

/** The question that goes with an action: the plan first, then whether it is meant. */
export function Asking({ action, ...rest }: DialogProps<Action['kind']>) {
  switch (action.kind) {
    case 'rollback':
      return <RollbackDialog action={{ ...action, kind: 'rollback' }} {...rest} />;
    case 'resolve':
      return <ResolveDialog action={{ ...action, kind: 'resolve' }} {...rest} />;
    case 'pin':
      return <PinDialog action={{ ...action, kind: 'pin' }} {...rest} />;
    case 'thaw':
      return <ThawDialog action={action} {...rest} />;
    case 'drop':
      return <DropDialog action={action} {...rest} />;
    case 'prune':
      return <PruneDialog action={action} {...rest} />;
  }
}

type MutationDialogProps = DialogProps<'rollback' | 'resolve' | 'pin'>;

function RollbackDialog({ action: { mutation }, done, close }: MutationDialogProps) {
  const plan = usePlan(mutation.mutation);
  const choice: Choice = {
    label: 'Roll back',
    danger: true,
    disabled: plan.value === undefined || isBlocked(plan.value),
    run: async () => outcome(await send<MutationView>('POST', `${mutationPath(mutation.mutation)}/rollback`, {})),
  };
  return (
    <ActionDialog title="Roll this change back?" choices={[choice]} done={done} close={close}>
      <p class="intent">
        <Words>{mutation.intent}</Words>
      </p>
      <p>
        The state goes back to what it was before the change. What is there now is kept as evidence first, so nothing is
        lost. Newer changes of others are not undone: they stand in the way, and are named.
      </p>
      <Plan {...plan} />
    </ActionDialog>
  );
}

function ResolveDialog({ action: { mutation }, done, close }: MutationDialogProps) {
  const plan = usePlan(mutation.mutation);
  const resolve = async (choice: 'commit' | 'rollback'): Promise<string> =>
    outcome(await send<MutationView>('POST', `${mutationPath(mutation.mutation)}/resolve`, { choice }));
  const choices: readonly Choice[] = [
    { label: 'Keep the state as it is', run: () => resolve('commit') },
    {
      label: 'Roll back',
      danger: true,
      disabled: plan.value === undefined || isBlocked(plan.value),
      run: () => resolve('rollback'),
    },
  ];
  return (
    <ActionDialog title="What becomes of this change?" choices={choices} done={done} close={close}>
      <p class="intent">
        <Words>{mutation.intent}</Words>
      </p>
      <p>
        It is quarantined: nobody knows whether it worked, and its locks are held until somebody decides. Look at its
        diff first. Keeping the state commits it; rolling back does what stands here:
      </p>
      <Plan {...plan} />
    </ActionDialog>
  );
}

function PinDialog({ action: { mutation }, done, close }: MutationDialogProps) {
  const pinned = !mutation.pinned;
  const choice: Choice = {
    label: pinned ? 'Pin' : 'Unpin',
    run: async () => {
      await send<MutationView>('PUT', `${mutationPath(mutation.mutation)}/pin`, { pinned });
      return pinned ? 'Pinned: retention leaves it alone.' : 'Unpinned.';
    },
  };
  return (
    <ActionDialog
      title={pinned ? 'Keep it for good?' : 'Let retention have it again?'}
      choices={[choice]}
      done={done}
      close={close}
    >
      <p class="intent">
        <Words>{mutation.intent}</Words>
      </p>
      <p>
        {pinned
          ? 'Its snapshots and evidence stay until it is unpinned, whatever the rules of retention say. They take up space for as long.'
          : 'Its snapshots and evidence go when the rules of retention say so, which may be at once.'}
      </p>
      <pre class="plan" tabIndex={0} aria-label="What it is about">
        {mutation.snapshots.length === 0
          ? 'no snapshots'
          : mutation.snapshots.map(({ name }) => `${pinned ? 'keeps' : 'lets go'}  ${oneLine(name)}`).join('\n')}
      </pre>
    </ActionDialog>
  );
}

function ThawDialog({ action: { node, why }, done, close }: DialogProps<'thaw'>) {
  const choice: Choice = {
    label: 'Thaw',
    danger: true,
    run: async () => {
      const { ok, words } = await send<Commanded>('POST', `${nodePath(node)}/commands`, { verb: 'thaw' });
      if (ok) return `${node} is thawed.`;
      const why = words ?? 'it does not say why';
      throw new Refused(
        409,
        '',
        `${node} would not: ${why}.`,
        'It is halted as before. hauki node status there says more.',
      );
    },
  };
  return (
    <ActionDialog title={`Thaw ${node}?`} choices={[choice]} done={done} close={close}>
      <p>
        {node} is halted: <Words>{why}</Words>
      </p>
      <pre class="plan" tabIndex={0} aria-label="The plan">
        {[
          `1. ${node} is told to end whatever it is halted for, now`,
          `2. it thaws what it had frozen, and takes tasks again`,
          `3. a barrier that counts on it is broken: its change is denied, or put into quarantine if it was cleared`,
        ].join('\n')}
      </pre>
    </ActionDialog>
  );
}

function PruneDialog({ done, close }: DialogProps<'prune'>) {
  const plan = useAsked(() => send<PruneView>('POST', '/v1/prune', { dryRun: true }), []);
  const going = plan.value?.going ?? [];
  const choice: Choice = {
    label: 'Let go',
    danger: true,
    disabled: going.length === 0,
    run: async () => {
      const pruned = await send<PruneView>('POST', '/v1/prune', {});
      return `Let go of ${count(pruned.going.length, 'thing')}.`;
    },
  };
  return (
    <ActionDialog title="Let go of what retention does not keep?" choices={[choice]} done={done} close={close}>
      <p>Changes whose snapshots are gone cannot be rolled back any more. Their records stay in the ledger.</p>
      {plan.error === undefined ? null : <RefusalNotice error={plan.error} />}
      {plan.value === undefined ? (
        plan.loading && <Loading what="the plan" />
      ) : (
        <pre class="plan" tabIndex={0} aria-label="The plan">
          {going.length === 0
            ? 'nothing is to go'
            : [
                ...going.map(({ kind, name, why }) => `${kind.padEnd(8)}  ${oneLine(name)}\n          ${oneLine(why)}`),
                ...(plan.value.freesBytes === undefined ? [] : [`\nfrees about ${size(plan.value.freesBytes)}`]),
              ].join('\n')}
        </pre>
      )}
    </ActionDialog>
  );
}

function usePlan(mutation: string) {
  return useAsked((signal) => get<PlanView>(`${mutationPath(mutation)}/plan`, signal), [mutation]);
}

function Plan({ value, error }: ReturnType<typeof usePlan>) {
  if (error !== undefined) return <RefusalNotice error={error} />;
  if (value === undefined) return <Loading what="the plan" />;
  return (
    <>
      {isBlocked(value) ? (
        <Notice kind="warning" title="Something stands in the way of a rollback.">
          It would be refused as things are. Clear away what is named below, then ask again.
        </Notice>
      ) : null}
      <pre class="plan" tabIndex={0} aria-label="The plan">
        {planText(value)}
      </pre>
    </>
  );
}

function outcome({ stage }: MutationView): string {
  return `${stageWords(stage)}.`;
}
