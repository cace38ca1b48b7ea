import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { Block, Gem } from '../../core/gem/gem.ts';
import { formatDuration } from '../../base/duration.ts';
import { nodeRefusal } from '../../core/policy/policy.ts';
import type { Reach } from '../../ports/reach.ts';
import type { SshOptions } from '../../reach/ssh/ssh.ts';
import type { NodeView } from '../../wire/mesh.ts';
import { oneLine } from '../output.ts';
import { openReach } from '../reach.ts';
import type { ContextOf } from './contexts.ts';

/** A block, and everything that has to be known before it may run. */
export interface Step {
  readonly block: Block;
  readonly node: string;
  readonly reach: Reach;
  /** What is frozen before it, as the controller names it. */
  readonly datasets: readonly string[];
  readonly intent: string;
}

export interface Placing {
  /** For blocks that name none. */
  readonly node: string | undefined;
  readonly datasets: readonly string[];
  readonly contextOf: ContextOf;
  readonly ssh: SshOptions;
  /** The controller's register. */
  readonly nodes: readonly NodeView[];
}

/**
 * Where each block runs, and what is frozen for it.
 *
 * @throws RefusedError `gem_unplaced`, `context_invalid`: nothing of it is guessed
 */
export async function planOf({ blocks }: Gem, placing: Placing): Promise<readonly Step[]> {
  const { node: fallback, nodes } = placing;
  const refused = fallback === undefined ? undefined : nodeRefusal(fallback);
  if (refused !== undefined) throw new RefusedError(refused);
  const reaches = new Map<string, Reach>();
  const steps: Step[] = [];
  for (const block of blocks) {
    const node = block.node ?? fallback;
    if (node === undefined) throw unplaced(block, 'does not say on which node it is meant to run', listOf(nodes));
    const context = await placing.contextOf(node);
    if (context === undefined)
      throw unplaced(block, `is for node ${node}, and nobody says how that is reached from here`, waysTo(node));
    const opened = openReach(context, placing.ssh);
    if (!opened.ok) throw new RefusedError(opened.error);
    // One for all blocks of a place, so that it is looked at once.
    const reach = reaches.get(opened.value.name) ?? opened.value;
    reaches.set(reach.name, reach);
    const own = nodes.find((one) => one.node === node)?.policy.datasets ?? [];
    const datasets = block.datasets ?? (placing.datasets.length > 0 ? placing.datasets : own);
    if (datasets.length === 0)
      throw unplaced(
        block,
        `does not say what is frozen before it, and node ${node} has no datasets of its own`,
        FREEZING,
      );
    steps.push({ block, node, reach, datasets, intent: block.intent ?? firstCommand(block) });
  }
  return steps;
}

const FREEZING =
  'Say datasets=NAME in the block, or --dataset NAME or --path DIR for all that say none. Nothing was executed.';
const INTENT_CHARACTERS_MAX = 200;
const SHOWN_MAX = 20;

/** Every place that is not there. */
export async function missingPlaces(steps: readonly Step[]): Promise<readonly Refusal[]> {
  const checks = [...new Set(steps.map(({ reach }) => reach))].map((reach) => reach.check());
  return (await Promise.all(checks)).flatMap((check) => (check.ok ? [] : [check.error]));
}

/** The plan for people: nothing is run that does not stand there. */
export function describePlan(steps: readonly Step[], { passed }: Gem): string {
  const lines = steps.flatMap(({ block, node, reach, datasets, intent }, index) => {
    const { line, endLine, interpreter, mode = 'standard', timeoutMs, verify, script, sameAs } = block;
    const limit = timeoutMs === undefined ? '' : `, at most ${formatDuration(timeoutMs)}`;
    return [
      `block ${index + 1}, lines ${line} to ${endLine}: on node ${node}, in ${reach.name}, by ${interpreter}${limit}`,
      `  freezes  ${datasets.map(oneLine).join(', ')} (${mode})`,
      `  intent   ${oneLine(intent)}`,
      ...(sameAs === undefined ? [] : [`  AGAIN    the very same as block ${sameAs + 1}`]),
      ...script
        .split('\n')
        .slice(0, -1)
        .map((text) => `  | ${printable(text)}`),
      ...(verify === undefined
        ? []
        : ['  then, to verify:', ...verify.split('\n').map((text) => `  | ${printable(text)}`)]),
    ];
  });
  const notes = passed.slice(0, SHOWN_MAX).map(({ line, why }) => `line ${line} is not run: ${why}`);
  const more = passed.length > SHOWN_MAX ? [`${passed.length - SHOWN_MAX} more lines like these are not run`] : [];
  return [...lines, ...notes, ...more].join('\n');
}

/** Commands keep their tabs as blanks; nothing in them moves the cursor, or reads otherwise than it is run. */
function printable(text: string): string {
  const shown = oneLine(text.replaceAll('\t', '    '));
  // What has no width would be run and not be seen.
  return shown.replaceAll(/\p{Cf}/gu, (mark) => `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Without an intent of its own, what it does first is the best that can be said of it. */
function firstCommand({ script }: Block): string {
  const first = script.split('\n').find((line) => !/^\s*(?:#.*)?$/.test(line)) ?? '';
  return [...first.trim()].slice(0, INTENT_CHARACTERS_MAX).join('');
}

function unplaced(block: Block, why: string, hint: string): RefusedError {
  const { line } = block;
  return new RefusedError(refusal('gem_unplaced', `The block in line ${line} ${why}.`, hint, { line }));
}

function listOf(nodes: readonly NodeView[]): string {
  const names = nodes.filter(({ state }) => state !== 'revoked').map(({ node }) => node);
  const known = names.length === 0 ? 'The controller knows no nodes.' : `The controller knows ${names.join(', ')}.`;
  return `Say node=NAME in the block, or --node NAME for all that say none. ${known} Nothing was executed.`;
}

function waysTo(node: string): string {
  return `Say --via ${node}=lxd:NAME (or incus:NAME, ssh:[USER@]HOST, local), or "nodes: {${node}: {via: lxd:NAME}}" in HAUKI_HOME/config.yaml. Nothing was executed.`;
}
