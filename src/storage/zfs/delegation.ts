import { accessSync, constants } from 'node:fs';
import { userInfo } from 'node:os';

import type { Inspection } from '../../ports/storage.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import { missing, permissionsOf } from '../../wire/zfs/permission.ts';
import { readRows } from '../../wire/zfs/rows.ts';
import type { Commands } from './command.ts';
import { containerOf, isContained, poolOf } from './names.ts';
import { allowLine, CONTAINER_RIGHTS, RIGHTS } from './refusals.ts';

type Limit = Inspection['limits'][number];

const COLUMNS = ['name', 'mounted', 'mountpoint'] as const;
/** More datasets than this are not looked through one by one. */
const DATASETS_MAX = 32;

export interface Pool {
  readonly name: string;
  readonly health: string;
}

/** The pools that are imported; undefined where ZFS is not to be had, and `why`. */
export async function pools(commands: Commands): Promise<{ readonly pools: readonly Pool[]; readonly why?: string }> {
  try {
    const ran = await commands.zpool(['list', '-Hp', '-o', 'name,health']);
    if (ran.code !== 0) return { pools: [], why: readFailure(ran.stderr.toString()).message };
    const rows = readRows(ran.stdout.toString(), ['name', 'health']);
    return { pools: rows.map(({ name, health = 'unknown' }) => ({ name, health })) };
  } catch (error) {
    return { pools: [], why: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * What an ordinary user lacks, each with the line that root has to type: on the datasets whose files belong to the user, and on
 * hauki's own dataset in the pools of those. In other pools there is nothing to be allowed.
 */
export async function lacking(commands: Commands): Promise<Limit[]> {
  const user = userInfo();
  const groups = await groupNames(commands);
  const limits: Limit[] = [];
  const check = async (dataset: string, rights: readonly string[]): Promise<void> => {
    const ran = await commands.zfs(['allow', dataset]);
    const have = permissionsOf(ran.stdout.toString(), { dataset, user: user.username, groups });
    const lacks = missing(have, rights);
    if (lacks.length === 0) return;
    limits.push({
      what: `${user.username} may not ${lacks.join(', ')} on ${dataset}`,
      fix: `As root: ${allowLine(user.username, lacks, dataset)}`,
    });
  };
  const mine = await writable(commands);
  if (mine.length === 0) {
    const what = `no mounted dataset is one in which ${user.username} may write, so there is none to guard`;
    return [
      { what, fix: `As root: zfs create POOL/${user.username} && chown ${user.username}: /POOL/${user.username}` },
    ];
  }
  const used = [...new Set(mine.map((dataset) => poolOf(dataset)))];
  for (const pool of used) {
    const container = containerOf(pool);
    const there = await commands.zfs(['list', '-H', '-o', 'name', container]);
    if (there.code === 0) await check(container, CONTAINER_RIGHTS);
    else {
      limits.push({
        what: `${container}, where failed states are kept, is not there`,
        fix: `As root: zfs create -o canmount=off -o mountpoint=none ${container} && ${allowLine(user.username, CONTAINER_RIGHTS, container)}`,
      });
    }
  }
  for (const dataset of mine) await check(dataset, RIGHTS);
  limits.push({
    what: 'Linux lets only root mount: a failed state is kept, but not to be looked at until it is mounted',
    fix: `As root: zfs mount POOL/.hauki/…, or in /etc/sudoers.d/hauki: ${user.username} ALL=(root) NOPASSWD: ${mountRules(used)}`,
  });
  return limits;
}

/** Nothing but the mounting of hauki's own datasets, whose names are made of letters, digits, dots and dashes. */
function mountRules(used: readonly string[]): string {
  return used.map((pool) => `/usr/sbin/zfs ^mount ${containerOf(pool).replaceAll('.', '\\.')}/[-.0-9a-z]+$`).join(', ');
}

async function writable(commands: Commands): Promise<string[]> {
  const ran = await commands.zfs(['list', '-Hp', '-t', 'filesystem', '-o', COLUMNS.join(',')]);
  const mine = readRows(ran.stdout.toString(), COLUMNS).filter(({ name, mounted, mountpoint }) => {
    if (mounted !== 'yes' || mountpoint === undefined || isContained(name)) return false;
    try {
      accessSync(mountpoint, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  });
  return mine.slice(0, DATASETS_MAX).map(({ name }) => name);
}

async function groupNames(commands: Commands): Promise<string[]> {
  const ran = await commands.groups();
  return ran.stdout.toString().trim().split(' ');
}
