import { createParser } from 'eventsource-parser';
import { useEffect, useRef, useState } from 'preact/hooks';

import { nodePath, PAGE_HEADERS, refusalOf } from '../api.ts';
import { Words } from '../parts/text.tsx';

/** What of a task's output is kept in the page, characters. */
const TEXT_MAX = 200_000;

/** What a task says, as it says it. */
export function TaskLog({ node, task }: { readonly node: string; readonly task: string }) {
  const [text, setText] = useState('');
  const [state, setState] = useState<string>();
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const gone = new AbortController();
    setText('');
    const said = (more: string): void => setText((before) => (before + more).slice(-TEXT_MAX));
    follow(node, task, gone.signal, said, setState).catch((error: unknown) => {
      if (!gone.signal.aborted) setState(error instanceof Error ? error.message : String(error));
    });
    return () => gone.abort();
  }, [node, task]);
  useEffect(() => {
    if (box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [text]);
  return (
    <>
      <p class="soft">
        <Words mono>{task}</Words>
        {state === undefined ? '' : ` · ${state}`}
      </p>
      {text === '' ? null : (
        <pre ref={box} class="log" tabIndex={0} aria-label="What the task said">
          {text}
        </pre>
      )}
    </>
  );
}

async function follow(
  node: string,
  task: string,
  signal: AbortSignal,
  said: (text: string) => void,
  stands: (state: string) => void,
): Promise<void> {
  const response = await fetch(`${nodePath(node)}/tasks/${encodeURIComponent(task)}/output`, {
    headers: { accept: 'text/event-stream', ...PAGE_HEADERS },
    signal,
  });
  if (!response.ok || response.body === null) {
    const { code, message } = await refusalOf(response);
    stands(code === 'task_unknown' ? 'its output is at the node, beside the task' : message);
    return;
  }
  const parser = createParser({
    onEvent: ({ event, data }) => {
      const told = JSON.parse(data) as { readonly text?: string; readonly state?: string; readonly words?: string };
      if (event === 'output' && told.text !== undefined) said(told.text);
      if (event === 'state') stands([told.state, told.words].filter((one) => one !== undefined).join(': '));
    },
  });
  const reader = response.body.getReader();
  const text = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(text.decode(value, { stream: true }));
  }
}
