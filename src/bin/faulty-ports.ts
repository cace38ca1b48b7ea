import type { Mesh } from '../engine/mesh/mesh.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Barrier } from '../ports/mesh.ts';
import type { Storage } from '../ports/storage.ts';
import { faultPoint } from './fault.ts';

/**
 * The controller's points of the fault matrix: before and after every durable record (`ledger:before:<type>`,
 * `ledger:after:<type>`) and every effect on the storage (`storage:before:<method>`, `storage:after:<method>`) or the mesh
 * (`mesh:before:halt`, `mesh:after:verify`, …; `mesh:heard:halted` when the first node says that it is). Without
 * HAUKI_FAULT the ports are passed through untouched.
 */
export function faultyLedger(ledger: Ledger): Ledger {
  if (process.env['HAUKI_FAULT'] === undefined) return ledger;
  return new Proxy(ledger, {
    get: (target, member): unknown => {
      if (member !== 'append') return bound(target, member);
      const append: Ledger['append'] = async (events, touched, state) => {
        for (const { type } of events) faultPoint(`ledger:before:${type}`);
        const records = await target.append(events, touched, state);
        for (const { type } of events) faultPoint(`ledger:after:${type}`);
        return records;
      };
      return append;
    },
  });
}

const EFFECTS: ReadonlySet<string | symbol> = new Set(['snapshot', 'discard', 'rollback', 'destroy', 'seal']);

export function faultyStorage(storage: Storage): Storage {
  if (process.env['HAUKI_FAULT'] === undefined) return storage;
  return faulty(storage, 'storage', EFFECTS);
}

const BARRIER_EFFECTS: ReadonlySet<string | symbol> = new Set(['halt', 'verify']);

export function faultyBarrier(mesh: Mesh): Barrier {
  if (process.env['HAUKI_FAULT'] === undefined) return mesh;
  mesh.subscribe((_node, { pulse }) => {
    if (pulse.state === 'halted') faultPoint('mesh:heard:halted');
  });
  return faulty(mesh, 'mesh', BARRIER_EFFECTS);
}

function faulty<T extends object>(port: T, name: string, effects: ReadonlySet<string | symbol>): T {
  return new Proxy(port, {
    get: (target, member): unknown => {
      const method = bound(target, member);
      if (!effects.has(member) || typeof method !== 'function') return method;
      const call = method as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        faultPoint(`${name}:before:${String(member)}`);
        const answer = await call(...args);
        faultPoint(`${name}:after:${String(member)}`);
        return answer;
      };
    },
  });
}

function bound(target: object, member: string | symbol): unknown {
  const value: unknown = Reflect.get(target, member);
  return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
}
