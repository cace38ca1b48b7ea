import { throughputBench, btrfsBench } from './api.ts';
import { directoryBench } from './directory.ts';
import { eventsBench } from './events.ts';
import { exeBench } from './exe.ts';
import { guardBench } from './guard.ts';
import { ircBench } from './irc.ts';
import { ledgerBench } from './ledger.ts';
import { nodeBench } from './node.ts';
import { barrierCurveBench, benchNodes, meshBench } from './mesh.ts';
import type { Row } from './row.ts';
import { benchServer } from './server.ts';
import { tasksBench } from './tasks.ts';
import { timelineBench } from './timeline.ts';
import { zfsClearBench, zfsListBench, zfsRollbackBench } from './zfs.ts';

/*
 * `npm run bench [-- NAME…] [-- --json]`: figures as ratios to a peer measured in the same run, because machines differ and
 * are noisy. Nothing here fails a build: a target that is missed is shown as missed.
 */
const BENCHES: Readonly<Record<string, () => Promise<Row[]>>> = {
  throughput: throughputBench,
  btrfs: btrfsBench,
  guard: guardBench,
  directory: directoryBench,
  ledger: ledgerBench,
  node: nodeBench,
  exe: exeBench,
  mesh: meshBench,
  'barrier-curve': barrierCurveBench,
  irc: ircBench,
  tasks: tasksBench,
  events: eventsBench,
  timeline: timelineBench,
  'zfs-clear': zfsClearBench,
  'zfs-rollback': zfsRollbackBench,
  'zfs-list': zfsListBench,
};

const args = process.argv.slice(2);
const [first, home, socket, kind] = args;
if (first === 'server' && home !== undefined && socket !== undefined && kind !== undefined) {
  await benchServer(home, socket, kind);
} else if (first === 'nodes' && home !== undefined) {
  await benchNodes(home, Number(socket), Number(kind));
} else {
  const json = args.includes('--json');
  const names = args.filter((arg) => !arg.startsWith('--'));
  const unknown = names.find((name) => !(name in BENCHES));
  if (unknown !== undefined) {
    process.stderr.write(`There is no benchmark "${unknown}". There are: ${Object.keys(BENCHES).join(', ')}.\n`);
    process.exit(64);
  }
  const rows: Row[] = [];
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (names.length > 0 && !names.includes(name)) continue;
    process.stderr.write(`${name} …\n`);
    const measured = await bench();
    rows.push(...measured);
    if (!json) process.stdout.write(`${measured.map(line).join('\n')}\n`);
  }
  if (json) process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), node: process.version, rows })}\n`);
}

function line({ name, value, unit, peer, ratio, target, met }: Row): string {
  const figure = `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${unit}`;
  const against =
    peer === undefined
      ? ''
      : `${(ratio ?? value / peer.value).toFixed(2)} × ${peer.name} (${peer.value.toPrecision(3)} ${unit})`;
  const verdict = target === undefined ? '' : `${met === true ? 'met' : 'MISSED'} ${target}`;
  return `  ${name.padEnd(44)} ${figure.padStart(14)}  ${verdict.padEnd(22)} ${against}`.trimEnd();
}
