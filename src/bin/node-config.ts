import { isAbsolute } from 'node:path';
import * as z from 'zod';
import { LIMIT_MS_MAX } from '../base/duration.ts';
import { nodeRefusal } from '../core/policy/policy.ts';
import type { TaskRules } from '../node/task/judge.ts';
import type { FlushPlan } from '../node/halting/flush.ts';
import { Freezable } from '../node/halting/freezable.ts';
import { type NodeIrcConfig, nodeIrcSchema } from './irc-config.ts';
import { type VaultConfig, vaultConfig, vaultSchema } from './vault-config.ts';
import { checkSettings, duration, settingsText, wrongSettings } from './settings-file.ts';

/** What stands in a node's `node.yaml`. What joining the mesh wrote there is part of it. */
export interface NodeConfig {
  readonly node: string | undefined;
  /** `host:port`, `unix:/path`, `http://…` or `https://…`; tried in this order. */
  readonly controllers: readonly string[];
  /** Whether it links to them; otherwise it is heard on IRC alone, and only commands go there. */
  readonly link: boolean;
  readonly irc: NodeIrcConfig | undefined;
  readonly heartbeat: string | undefined;
  readonly vault: VaultConfig | undefined;
  /** Where its hooks run: `lxd:crm`. */
  readonly via: string | undefined;
  readonly flush: FlushPlan;
  readonly freeze: readonly Freezable[];
  readonly freezeMsMax: number;
  /** Where its tasks lie; undefined: it runs none. */
  readonly spool: string | undefined;
  readonly tasks: TaskRules;
}

const HOOK_MS = 30_000;
const SYNC_MS = 30_000;
const FREEZE_MS_MAX = 60_000;
const TASK_MS = 10 * 60_000;
const TASK_WAIT_MS = 5 * 60_000;

const limit = duration.refine((ms) => ms > 0 && ms <= LIMIT_MS_MAX, 'is not between 1 ms and 24 h');
const path = z.string().refine(isAbsolute, 'is no absolute path');
const argv = z.tuple([z.string().min(1, 'names no program')], z.string(), {
  error: 'is no list of a program and its arguments, such as [pg_ctl, checkpoint]; no shell reads it',
});
const name = z.string().superRefine((text, context) => {
  const refused = nodeRefusal(text);
  if (refused !== undefined) context.addIssue({ code: 'custom', message: refused.message });
});
const controller = z.string().regex(/^(unix:\/.+|https?:\/\/.+|[^/\s]+:\d+)$/, {
  error: 'is no controller: write host:port, unix:/path, or http(s)://host:port',
});

const schema = z.strictObject({
  node: name.optional(),
  mesh: z.string().optional(),
  controllers: z.array(controller).min(1).optional(),
  link: z.boolean().optional(),
  irc: nodeIrcSchema.optional(),
  heartbeat: path.optional(),
  vault: vaultSchema.optional(),
  via: z.string().optional(),
  spool: path.optional(),
  tasks: z
    .strictObject({
      datasets: z.array(z.string().min(1).max(4_096)).max(64).optional(),
      root: path.optional(),
      signers: path.optional(),
      unsigned: z.enum(['deny', 'run']).optional(),
      timeout: limit.optional(),
      wait: limit.optional(),
    })
    .optional(),
  halt: z
    .strictObject({
      flush: z.array(z.strictObject({ run: argv, within: limit.optional() })).optional(),
      sync: z.array(path).optional(),
      syncWithin: limit.optional(),
      freeze: z.array(Freezable).optional(),
      freezeMax: limit.optional(),
    })
    .optional(),
});

/** @throws RefusedError `usage`, naming the place */
export async function readNodeConfig(file: string): Promise<NodeConfig> {
  const said = checkSettings(file, await parsed(file, settingsText(file) ?? '{}'), schema);
  const { node, controllers, link = true, irc, heartbeat, vault, via, halt = {}, spool, tasks = {} } = said;
  if (!link && irc === undefined)
    throw wrongSettings(file, 'link is false, and there is no irc: nobody would hear of it');
  return {
    node,
    controllers: controllers ?? [],
    link,
    irc,
    heartbeat,
    vault: vault === undefined ? undefined : vaultConfig(vault),
    via,
    flush: {
      hooks: (halt.flush ?? []).map(({ run, within }) => ({ run, withinMs: within ?? HOOK_MS })),
      sync: halt.sync ?? [],
      syncWithinMs: halt.syncWithin ?? SYNC_MS,
    },
    freeze: halt.freeze ?? [],
    freezeMsMax: halt.freezeMax ?? FREEZE_MS_MAX,
    spool,
    tasks: {
      datasets: tasks.datasets ?? [],
      root: tasks.root,
      signers: tasks.signers,
      unsigned: tasks.unsigned === 'run',
      timeoutMs: tasks.timeout ?? TASK_MS,
      waitMs: tasks.wait ?? TASK_WAIT_MS,
    },
  };
}

/** As joining the mesh wrote it, it is JSON, and a node is the smaller for not having to read YAML. */
async function parsed(file: string, text: string): Promise<unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return (await import('./settings-yaml.ts')).readYaml(file, text);
  }
}
