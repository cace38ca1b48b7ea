import { refusal, RefusedError } from '../base/refusal.ts';
import type { PresenceView } from '../wire/presence.ts';
import { NODE_UNIT, nodeUnit } from './node-unit.ts';
import { forgetOldStep, type Program, programStep } from './program.ts';
import { type Step, take, type Taking } from './steps.ts';
import type { There } from './there.ts';
import { isActive, removalSteps, requireSystemd, start, type Unit, unitPath, unitSteps, unwell } from './unit.ts';

/** Where a node is on its machine. */
export interface Layout {
  readonly program: string;
  /** HAUKI_NODE_HOME */
  readonly home: string;
}

export const LAYOUT: Layout = { program: '/usr/local/lib/hauki/hauki', home: '/var/lib/hauki-node' };

/** What the controller has to do with it. */
export interface Mesh {
  /** Whether it counts as a node that may come. */
  readonly isMember: (node: string) => Promise<boolean>;
  /** @returns a join token */
  readonly invite: (node: string) => Promise<string>;
  readonly presence: (node: string) => Promise<PresenceView | undefined>;
  readonly revoke: (node: string) => Promise<void>;
}

export interface NodeInstall extends Taking {
  readonly node: string;
  readonly there: There;
  readonly mesh: Mesh;
  readonly program: Program;
  readonly layout?: Layout;
  /** How long the first heartbeat may take, ms. */
  readonly patienceMs: number;
}

const LOOK_MS = 500;
const TELL_MS = 5_000;

/** Brings a node onto a machine, or brings it up to date. @returns what was changed, in words @throws RefusedError */
export async function installNode(install: NodeInstall): Promise<string[]> {
  const { there, program, layout = LAYOUT } = install;
  await requireSystemd(there);
  return run(install, [programStep(there, { ...program, path: layout.program }), joinStep({ ...install, layout })]);
}

/** A newer program for a node that was installed. What was there runs again when the new one is not heard of. */
export async function upgradeNode(install: NodeInstall): Promise<string[]> {
  const { there, program, layout = LAYOUT, node } = install;
  await requireSystemd(there);
  const joined = await joinedAs(there, layout);
  if (joined !== node || (await there.text(unitPath({ name: NODE_UNIT }))) === undefined)
    throw new RefusedError(
      refusal(
        'install_refused',
        `Node ${node} is not installed on ${there.reach.name}.`,
        `"hauki node install ${node}" does that. Nothing was changed.`,
      ),
    );
  return run(install, [programStep(there, { ...program, path: layout.program })]);
}

async function run(
  { there, mesh, node, layout = LAYOUT, patienceMs, ...taking }: NodeInstall,
  first: readonly Step[],
): Promise<string[]> {
  const unit: Unit = { name: NODE_UNIT, text: nodeUnit(layout) };
  const wasActive = await isActive(there, unit);
  const bootBefore = (await mesh.presence(node))?.boot;
  let restarted = false;
  const unitWork = unitSteps(there, unit, [layout.program]).map((step): Step => async () => {
    const work = await step();
    if (work !== undefined && /^(re)?start /.test(work.words)) restarted = true;
    return work;
  });
  const heard: Step = async () => {
    if (!taking.dryRun)
      await awaitHeartbeat({ there, mesh, node, patienceMs, tell: taking.tell }, restarted ? bootBefore : undefined);
    return undefined;
  };
  const steps = [...first, ...unitWork, heard];
  return take([...steps, forgetOldStep(there, { path: layout.program })], {
    ...taking,
    restored: async () => {
      if (wasActive) await start(there, unit);
    },
  });
}

/** The node there, by its own files; undefined when it has joined nothing, or there is no program yet. */
async function joinedAs(there: There, { program, home }: Layout): Promise<string | undefined> {
  if ((await there.ask(['test', '-x', program])).code !== 0) return undefined;
  const { code, stdout } = await there.ask([program, 'node', 'show', '--home', home, '--json']);
  return code === 0 ? (JSON.parse(stdout) as { node: string }).node : undefined;
}

/** Whose configuration lies there; also when an uninstallation was cut off after the program had gone. */
async function namedIn(there: There, { home }: Layout): Promise<string | undefined> {
  return /(?:^|[{,\s])"?node"?\s*:\s*["']?([\w.-]+)/.exec((await there.text(`${home}/node.yaml`)) ?? '')?.[1];
}

interface Joining extends Pick<NodeInstall, 'there' | 'mesh' | 'node'> {
  readonly layout: Layout;
}

/** Invites the node and has it join, unless it has joined and counts as a member. */
export function joinStep({ there, mesh, node, layout }: Joining): Step {
  return async () => {
    const joined = await joinedAs(there, layout);
    if (joined !== undefined && joined !== node)
      throw new RefusedError(
        refusal(
          'name_taken',
          `${there.reach.name} is node ${joined} already.`,
          `Uninstall that one first, and remove ${layout.home} there.`,
        ),
      );
    if (joined === node && (await mesh.isMember(node))) return undefined;
    return {
      words: `invite ${node}, and have it join`,
      act: async () => {
        const token = await mesh.invite(node);
        // By stdin: what stands in an argument vector, everybody there can read.
        const argv = [layout.program, 'node', 'join', '-', '--home', layout.home];
        try {
          await there.run(argv, `${token}\n`);
        } catch (error) {
          // An invitation that nobody waits for. One whose answer was lost has made a member, which the next run finds.
          if (!(await mesh.isMember(node))) await mesh.revoke(node).catch(() => undefined);
          throw error;
        }
      },
    };
  };
}

interface Awaiting extends Pick<NodeInstall, 'there' | 'mesh' | 'node' | 'patienceMs' | 'tell'> {}

/** @param not the run of its process that was before */
async function awaitHeartbeat(
  { there, mesh, node, patienceMs, tell }: Awaiting,
  not: string | undefined,
): Promise<void> {
  const begun = performance.now();
  let toldAt = begun;
  for (;;) {
    const presence = await mesh.presence(node);
    if (presence?.liveness === 'live' && presence.boot !== not) return;
    const now = performance.now();
    if (now - begun > patienceMs) break;
    if (now - toldAt >= TELL_MS) {
      toldAt = now;
      tell(`waiting for the first heartbeat of ${node} (${Math.round((now - begun) / 1_000)} s)`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const reason = await unwell(there, { name: NODE_UNIT });
  throw new RefusedError(
    refusal(
      'install_failed',
      `No heartbeat of ${node} came within ${Math.round(patienceMs / 1_000)} s. ${reason.message}`,
      'See that the controller can be reached from there: docs/services.md.',
    ),
  );
}

/** Takes away what the installation wrote, and revokes the node. Its state stays. */
export async function uninstallNode({
  there,
  mesh,
  node,
  layout = LAYOUT,
  ...taking
}: Omit<NodeInstall, 'program' | 'patienceMs'>): Promise<string[]> {
  await requireSystemd(there);
  const joined = await joinedAs(there, layout);
  if (joined !== undefined && joined !== node)
    throw new RefusedError(refusal('name_taken', `${there.reach.name} is node ${joined}, not ${node}.`));
  if ((joined ?? (await namedIn(there, layout))) !== node && (await mesh.isMember(node)))
    throw new RefusedError(
      refusal(
        'install_refused',
        `Nothing on ${there.reach.name} is of node ${node}: nothing was removed, and it was not revoked.`,
        `Name the place it is at (--via); "hauki node revoke ${node}" takes its certificate alone.`,
      ),
    );
  const files = ['', '.old', '.new'].map((end) => `${layout.program}${end}`);
  const folder = layout.program.slice(0, layout.program.lastIndexOf('/'));
  return take(
    [
      ...removalSteps(there, { name: NODE_UNIT }),
      async () => {
        const found = await there.ask([
          'sh',
          '-c',
          'for file; do if [ -e "$file" ]; then exit 0; fi; done; exit 1',
          'sh',
          ...files,
        ]);
        if (found.code !== 0) return undefined;
        return {
          words: `remove ${layout.program}`,
          act: async () => {
            await there.run(['rm', '-f', '--', ...files]);
            // Somebody else's things may be in it.
            await there.ask(['rmdir', '--', folder]);
          },
        };
      },
      async () => {
        if (!(await mesh.isMember(node))) return undefined;
        return { words: `revoke ${node}`, act: () => mesh.revoke(node) };
      },
    ],
    taking,
  );
}
