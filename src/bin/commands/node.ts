import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { size } from '../../base/size.ts';
import { formatDuration, parseDuration } from '../../base/duration.ts';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { nodeRefusal } from '../../core/policy/policy.ts';
import { readToken } from '../../trust/join-token.ts';
import { joinMesh, rotateCertificate } from '../../trust/joining.ts';
import { hasJoined, validityOf } from '../../trust/node-home.ts';
import { describedIn } from '../../trust/route.ts';
import type { Invite, NodeView } from '../../wire/mesh.ts';
import { calling, connect } from '../connect.ts';
import { faultPoint } from '../fault.ts';
import { nodeHomeFrom } from '../home.ts';
import { oneLine, printJson, printText, say, table } from '../output.ts';
import { when } from './history.ts';

const EXIT_DENIED = 75;

/** Who belongs to the mesh: `hauki node invite`, `join`, `list`, `show`, `revoke`, `rotate`. */

export interface NodeOptions {
  readonly controller?: string;
  readonly json?: boolean;
}

export interface InviteOptions extends NodeOptions {
  readonly datasets?: readonly string[];
  readonly modes?: readonly string[];
  readonly ttlMax?: string;
  readonly rate?: string;
  readonly valid?: string;
}

export interface JoinOptions extends NodeOptions {
  readonly home?: string;
}

export async function nodeInvite(node: string, options: InviteOptions): Promise<number> {
  const ask = inviteOf(node, options);
  const invited = await calling(connect(options.controller), (client) => client.invite(ask));
  if (options.json) printJson(invited);
  else {
    // On stdout there is nothing but the token, so that it can be piped to where it is needed.
    printText(invited.token);
    say(`it lets in ${node}, once, until ${when(invited.expiresAt)}; on the node: hauki node join TOKEN`);
  }
  return 0;
}

/** @throws RefusedError for a name or a policy that is none */
export function inviteOf(node: string, options: InviteOptions): Invite {
  const refused = nodeRefusal(node);
  if (refused !== undefined) throw new RefusedError(refused);
  const { datasets, valid } = options;
  const policy = {
    ...(datasets === undefined ? {} : { datasets: [...datasets] }),
    ...(options.modes === undefined ? {} : { modes: options.modes.map(modeOf) }),
    ...(options.ttlMax === undefined ? {} : { ttlMsMax: msOf(options.ttlMax) }),
    ...(options.rate === undefined ? {} : { rate: countOf(options.rate) }),
  };
  return { node, policy, ...(valid === undefined ? {} : { validMs: msOf(valid) }) };
}

export async function nodeJoin(text: string, options: JoinOptions): Promise<number> {
  const token = readToken(text === '-' ? readFileSync(0, 'utf8') : text);
  if (!token.ok) throw new RefusedError(token.error);
  const home = homeOf(options);
  const already = hasJoined(home) ? await describedIn(home) : undefined;
  if (already !== undefined && (already.mesh !== token.value.mesh || already.node !== token.value.node)) {
    throw new RefusedError(
      refusal(
        'name_taken',
        `${home} belongs to node ${already.node} of mesh ${already.mesh} already.`,
        'Join with --home DIR (and HAUKI_NODE_HOME=DIR from then on), or remove that folder if the node is no more.',
      ),
    );
  }
  const joined = await joinMesh(home, token.value, (step) => faultPoint(`join:after-${step}`));
  const { node, mesh, expiresAt } = joined;
  if (options.json) printJson({ status: 'joined', node, mesh, expiresAt, home });
  else printText(`joined     node ${node} of mesh ${mesh}; certificate until ${when(expiresAt)}, in ${home}`);
  return 0;
}

export async function nodeTell(node: string, verb: 'ping' | 'thaw' | 'poll', options: NodeOptions): Promise<number> {
  const told = await calling(connect(options.controller), (client) => client.command(node, verb));
  if (options.json) printJson(told);
  else printText(`${told.ok ? 'done' : 'refused'}       ${oneLine(told.words ?? `node ${node} answers`)}`);
  return told.ok ? 0 : EXIT_DENIED;
}

export async function nodeList(options: NodeOptions): Promise<number> {
  const list = await calling(connect(options.controller), (client) => client.nodes());
  if (options.json) printJson(list);
  else if (list.nodes.length === 0) printText('no nodes; "hauki node invite NAME" lets one in');
  else {
    const rows = list.nodes.map(({ node, state, joinedAt, expiresAt, policy, presence }) => [
      node,
      state,
      describePresence(state, presence),
      joinedAt === undefined ? '-' : when(joinedAt),
      when(expiresAt),
      describePolicy(policy),
    ]);
    printText(table(['NODE', 'STATE', 'HEARD', 'JOINED', 'UNTIL', 'MAY'], rows));
  }
  return 0;
}

export async function nodeShow(name: string | undefined, options: JoinOptions): Promise<number> {
  if (name === undefined) return showOwn(options);
  const view = await calling(connect(options.controller), (client) => client.node(name));
  if (options.json) printJson(view);
  else {
    const facts: [string, string | undefined][] = [
      ['node', view.node],
      ['state', view.state],
      ['heard', describePresence(view.state, view.presence)],
      ['runs', describeProcess(view.presence)],
      ['key', view.fingerprint && `sha256 ${view.fingerprint}`],
      ['joined', view.joinedAt],
      ['until', view.expiresAt],
      ['revoked', view.revokedAt],
      ['may', describePolicy(view.policy)],
    ];
    const known = facts.filter(([, value]) => value !== undefined);
    printText(known.map(([label, value]) => `${label.padEnd(10)} ${value}`).join('\n'));
  }
  return 0;
}

/** This machine as a node, from its own files: to be had when the controller is away, too. */
async function showOwn(options: JoinOptions): Promise<number> {
  const home = homeOf(options);
  if (!hasJoined(home)) throw notJoined(home);
  const { node, mesh, controllers } = await describedIn(home);
  const { from, until } = validityOf(home);
  const [validFrom, validUntil] = [from, until].map((at) => new Date(at).toISOString());
  if (options.json) printJson({ node, mesh, controllers, validFrom, validUntil, home });
  else {
    printText(`node       ${oneLine(node)} of mesh ${mesh}`);
    printText(`controller ${controllers.map(oneLine).join(', ')}`);
    printText(`until      ${validUntil ?? ''}`);
    printText(`files      ${home}`);
  }
  return 0;
}

export async function nodeRevoke(name: string, options: NodeOptions): Promise<number> {
  const done = await calling(connect(options.controller), (client) => client.revokeNode(name));
  if (options.json) printJson(done);
  else printText(`revoked    ${oneLine(name)}`);
  return 0;
}

export async function nodeRotate(options: JoinOptions): Promise<number> {
  const home = homeOf(options);
  if (!hasJoined(home)) throw notJoined(home);
  const { node, mesh, expiresAt } = await rotateCertificate(home, (step) => faultPoint(`rotate:after-${step}`));
  if (options.json) printJson({ status: 'rotated', node, mesh, expiresAt, home });
  else printText(`rotated    node ${node}; new key and certificate until ${when(expiresAt)}`);
  return 0;
}

/** `live since 24 Nov 12:00:01`, and in which barrier, where it is in one. */
function describePresence(state: NodeView['state'], presence: NodeView['presence']): string {
  if (presence === undefined) return state === 'joined' ? 'never' : '-';
  const { liveness, since, state: stands, epoch } = presence;
  return `${liveness} since ${when(since)}${stands === 'running' ? '' : `, ${stands} (barrier ${epoch})`}`;
}

function describeProcess(presence: NodeView['presence']): string | undefined {
  if (presence === undefined) return undefined;
  const { version, uptimeMs, load, memoryBytes, carrier, task } = presence;
  const facts = [
    `hauki ${oneLine(version)}`,
    `for ${formatDuration(uptimeMs)}`,
    `load ${load.toFixed(2)}`,
    size(memoryBytes),
  ];
  return [...facts, `heard by ${oneLine(carrier)}`, task === undefined ? 'no task' : `task ${oneLine(task)}`].join(
    ', ',
  );
}

function describePolicy({ datasets, modes, ttlMsMax, rate }: NodeView['policy']): string {
  const words = [
    datasets && `change ${datasets.map(oneLine).join(', ') || 'nothing'}`,
    modes && `in ${modes.join(' or ') || 'no'} mode`,
    ttlMsMax !== undefined && `for ${formatDuration(ttlMsMax)} at most`,
    rate !== undefined && `${rate} times a minute`,
  ].filter(Boolean);
  return words.length === 0 ? 'everything' : words.join(', ');
}

function homeOf({ home }: JoinOptions): string {
  return home === undefined ? nodeHomeFrom(process.env) : resolve(home);
}

function notJoined(home: string): RefusedError {
  return new RefusedError(
    refusal(
      'mesh_missing',
      `This machine has joined no mesh: there is no ${join(home, 'node.pem')}.`,
      'Run "hauki node invite NAME" on the controller, then "hauki node join TOKEN" here.',
    ),
  );
}

/** @throws RefusedError `duration_invalid` */
export function msOf(text: string): number {
  const parsed = parseDuration(text);
  if (!parsed.ok) throw new RefusedError(parsed.error);
  return parsed.value;
}

function countOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RefusedError(refusal('usage', `"${text}" is no rate.`, 'Write how often in a minute: --rate 10.'));
}

function modeOf(text: string): 'standard' | 'critical' {
  if (text === 'standard' || text === 'critical') return text;
  throw new RefusedError(
    refusal('usage', `"${text}" is no mode.`, 'Write --modes standard, critical, or standard,critical.'),
  );
}
