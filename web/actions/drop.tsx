import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';

import { size } from '../../src/base/size.ts';
import { DROP_BYTES_MAX } from '../../src/core/task/limits.ts';
import { oneLine } from '../../src/wire/one-line.ts';
import type { TaskDropped } from '../../src/wire/tasks.ts';
import { nodePath, send } from '../api.ts';
import { ActionDialog, type Choice } from '../parts/dialog.tsx';
import { Notice } from '../parts/notice.tsx';
import type { DialogProps } from './dialogs.tsx';

/** Of a task's text so much is shown before it is dropped, characters. */
const SHOWN_MAX = 4_000;

interface Chosen {
  readonly name: string;
  readonly size: number;
  /** None of a file that is too large. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A signed task for a node's inbox. It was signed elsewhere: a key has no place in a browser. */
export function DropDialog({ action: { node }, done, close }: DialogProps<'drop'>) {
  const [task, setTask] = useState<Chosen>();
  const [signature, setSignature] = useState<Chosen>();
  const tooLarge = task !== undefined && task.size > DROP_BYTES_MAX;
  const choice: Choice = {
    label: 'Drop',
    danger: true,
    disabled: task === undefined || signature === undefined || tooLarge,
    run: async () => {
      const { name = '', bytes = new Uint8Array() } = task ?? {};
      const body = { task: name, content: base64(bytes), signature: textOf(signature?.bytes) };
      const { words } = await send<TaskDropped>('POST', `${nodePath(node)}/tasks`, body);
      return `${oneLine(name)} was dropped at ${node}: ${words}.`;
    },
  };
  return (
    <ActionDialog title={`Drop a task at ${node}?`} choices={[choice]} done={done} close={close}>
      <FileField label="Task" hint="A script that begins with #!, or a unified diff." choose={setTask} />
      <FileField
        label="Its signature"
        hint={
          <>
            Made where the key is: <code>ssh-keygen -Y sign -n hauki-task -f KEY FILE</code> writes{' '}
            <code>FILE.sig</code>.
          </>
        }
        choose={setSignature}
      />
      {tooLarge ? (
        <Notice kind="warning" title={`It has ${size(task.size)}.`}>
          By the controller a task has {size(DROP_BYTES_MAX)} at most. Drop it on the host of the node instead:{' '}
          <code>hauki task drop</code>.
        </Notice>
      ) : null}
      {task === undefined || tooLarge ? null : (
        <>
          <pre class="plan" tabIndex={0} aria-label="The plan">
            {[
              `1. ${node} checks the signature of ${oneLine(task.name)} (${size(task.size)}), and takes it only from one of its signers`,
              `2. it demands a snapshot of what the task changes, and runs it when that is cleared`,
              `3. if the task or its verify fails, the state goes back`,
            ].join('\n')}
          </pre>
          <pre class="plan" tabIndex={0} aria-label="What is to run">
            <bdi>{shown(task.bytes)}</bdi>
          </pre>
        </>
      )}
    </ActionDialog>
  );
}

function FileField({
  label,
  hint,
  choose,
}: {
  readonly label: string;
  readonly hint: ComponentChildren;
  readonly choose: (chosen: Chosen | undefined) => void;
}) {
  const described = useId();
  return (
    <div class="field">
      <label>
        <span>{label}</span>
        <input
          type="file"
          aria-describedby={described}
          onChange={({ currentTarget: { files } }) => {
            void chosen(files?.[0]).then(choose, () => choose(undefined));
          }}
        />
      </label>
      <small id={described} class="soft">
        {hint}
      </small>
    </div>
  );
}

async function chosen(file: File | undefined): Promise<Chosen | undefined> {
  if (file === undefined) return undefined;
  const content = file.size > DROP_BYTES_MAX ? new ArrayBuffer() : await file.arrayBuffer();
  return { name: file.name, size: file.size, bytes: new Uint8Array(content) };
}

function textOf(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

function shown(bytes: Uint8Array): string {
  const text = textOf(bytes);
  const lines = text.slice(0, SHOWN_MAX).split('\n').map(oneLine);
  if (text.length > SHOWN_MAX) lines.push(`… ${text.length - SHOWN_MAX} more characters`);
  return lines.join('\n');
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}
