import { createParser } from 'eventsource-parser';
import { useEffect, useRef, useState } from 'preact/hooks';

import { nodePath, PAGE_HEADERS, refusalOf } from '../api.ts';
import { useLive, useObserved } from '../live/hooks.ts';
import { Words } from '../parts/text.tsx';
import { ELSEWHERE, type Output, TaskOutput } from './task-output.ts';

/** Nearer to its end than this a box counts as scrolled to it, px. */
const END_PX = 8;

interface TaskLogProps {
  readonly node: string;
  readonly task: string;
  /** Of the run that is meant: a task may run many times. */
  readonly mutation: string;
}

/** What a task says, as it says it. */
export function TaskLog({ node, task, mutation }: TaskLogProps) {
  const [{ text = '', state }, setOutput] = useState<Output>({});
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  const back = useObserved(useLive().back);
  useEffect(() => {
    const gone = new AbortController();
    const show = (output: Output): void => setOutput((before) => ({ ...before, ...output }));
    follow(node, task, mutation, gone.signal, show).catch((error: unknown) => {
      if (gone.signal.aborted) return;
      show({ state: error instanceof Error ? error.message : String(error) });
    });
    return () => gone.abort();
  }, [node, task, mutation, back]);
  useEffect(() => {
    // Whoever reads further up is not taken away from there.
    if (box.current !== null && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <>
      <p class="soft">
        <Words mono>{task}</Words>
        {state === undefined ? null : (
          <>
            {' · '}
            <Words>{state}</Words>
          </>
        )}
      </p>
      {text === '' ? null : (
        <pre
          ref={box}
          class="log"
          tabIndex={0}
          aria-label="What the task said"
          onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
            atEnd.current = scrollHeight - scrollTop - clientHeight < END_PX;
          }}
        >
          {text}
        </pre>
      )}
    </>
  );
}

async function follow(
  node: string,
  task: string,
  mutation: string,
  signal: AbortSignal,
  show: (output: Output) => void,
): Promise<void> {
  const response = await fetch(`${nodePath(node)}/tasks/${encodeURIComponent(task)}/output`, {
    headers: { accept: 'text/event-stream', ...PAGE_HEADERS },
    signal,
  });
  if (!response.ok || response.body === null) {
    const { code, message } = await refusalOf(response);
    show({ state: code === 'task_unknown' ? ELSEWHERE : message });
    return;
  }
  const output = new TaskOutput(mutation, (told) => {
    if (!signal.aborted) show(told);
  });
  let isOwn = true;
  const parser = createParser({
    onEvent: ({ event, data }) => {
      isOwn &&= output.hear(event, data);
    },
  });
  const reader = response.body.getReader();
  const text = new TextDecoder();
  while (isOwn) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(text.decode(value, { stream: true }));
  }
  await reader.cancel();
}
