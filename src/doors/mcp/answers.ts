import type { CallToolResult } from '@modelcontextprotocol/server';
import { CODES } from '../../base/codes.ts';
import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import { oneLine } from '../../wire/one-line.ts';
import type { Agent } from './agent.ts';

/** What a tool has to say: in words first, then the facts, which are in the answer's text too, for agents that see no other. */
export interface Said {
  readonly words: string;
  readonly facts: object;
}

/**
 * Runs a tool for an agent. What was refused is an answer too: what, why, and what to do next.
 *
 * @param mutation what it is about
 */
export async function answered(agent: Agent, tool: () => Promise<Said>, mutation?: string): Promise<CallToolResult> {
  try {
    const { words, facts } = await agent.during(tool, mutation);
    return result(agent, words, facts);
  } catch (error) {
    return { ...refused(agent, reasonOf(error)), isError: true };
  }
}

function refused(agent: Agent, { code, message, hint, evidence }: Refusal): CallToolResult {
  const { retry } = CODES[code];
  const words = `denied (${code}): ${message} ${hint}${retry ? ' The same call may go through later.' : ''}`;
  const facts = { status: 'denied', code, message, hint, retry, ...(evidence === undefined ? {} : { evidence }) };
  return result(agent, words, facts);
}

function result(agent: Agent, words: string, facts: object): CallToolResult {
  // What it does not know yet goes first: it may be about to change what is not its own any more.
  const news = agent.news().map((one) => `ATTENTION: ${oneLine(one)}`);
  const text = [...news, oneLine(words), JSON.stringify(facts)].join('\n');
  return { content: [{ type: 'text', text }], structuredContent: { ...facts } };
}

export function reasonOf(error: unknown): Refusal {
  return error instanceof RefusedError
    ? error.refusal
    : refusal('internal', 'The tool met an error it did not expect.');
}

/** The first of a list; what is left out is counted. */
export function first<T>(
  list: readonly T[],
  countMax: number,
): { readonly shown: readonly T[]; readonly more?: number } {
  if (list.length <= countMax) return { shown: list };
  return { shown: list.slice(0, countMax), more: list.length - countMax };
}
