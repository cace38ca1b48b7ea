import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { drivers, newId } from '../compose.ts';
import { type Home, homeFrom, makeHome } from '../home.ts';
import { connect } from '../connect.ts';
import { printJson, printText } from '../output.ts';
import { describeSelfTest } from '../serve.ts';
import { selfTest } from '../../storage/selftest.ts';
import { VERSION } from '../version.ts';

export interface DoctorOptions {
  readonly json?: boolean;
}

const EXIT_NOTHING_WORKS = 75;

/** `hauki doctor`: what this machine can do, proven by doing it, and how to get what is missing. */
export async function doctor(options: DoctorOptions): Promise<number> {
  const home = homeFrom(process.env);
  makeHome(home);
  const running = await connect(`unix:${home.socket}`).client.ready();
  const rehearsal = rehearsalHome(home);
  try {
    const backends = drivers(rehearsal, readConfig(home.config).reserve);
    const storages = [];
    for (const backend of backends) {
      const inspection = await backend.inspect();
      const test = inspection.available ? await selfTest(backend, { newId, now: systemClock.now }) : undefined;
      storages.push({ ...inspection, selfTest: test });
    }
    const works = storages.some((storage) => storage.available && storage.selfTest?.ok === true);
    const report = {
      ok: works,
      version: VERSION,
      node: process.version,
      home: { path: home.root, mode: (statSync(home.root).mode & 0o777).toString(8) },
      controller: running ? 'running' : 'not running',
      storages,
    };
    if (options.json) printJson(report);
    else printText(describe(report));
    return works ? 0 : EXIT_NOTHING_WORKS;
  } finally {
    rmSync(rehearsal.root, { recursive: true, force: true });
  }
}

/** A home within the home, so that trying things out never touches the store a running controller works on. */
function rehearsalHome(home: Home): Home {
  const folder = join(home.root, 'rehearsal');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const root = mkdtempSync(join(folder, 'doctor-'));
  return homeFrom({ HAUKI_HOME: root });
}

interface Report {
  readonly version: string;
  readonly node: string;
  readonly home: { readonly path: string; readonly mode: string };
  readonly controller: string;
  readonly storages: readonly {
    readonly driver: string;
    readonly available: boolean;
    readonly can: readonly string[];
    readonly limits: readonly { readonly what: string; readonly fix: string }[];
    readonly selfTest: Awaited<ReturnType<typeof selfTest>> | undefined;
  }[];
}

function describe(report: Report): string {
  const lines = [
    `hauki ${report.version} on Node ${report.node}`,
    `home       ${report.home.path} (mode ${report.home.mode})`,
    `controller ${report.controller}`,
  ];
  for (const { driver, available, can, limits, selfTest: test } of report.storages) {
    lines.push('', `${driver}: ${available ? 'available' : 'not available'}`);
    if (test !== undefined) lines.push(`  self-test  ${describeSelfTest(test)}`);
    lines.push(...can.map((what) => `  can        ${what}`));
    for (const { what, fix } of limits) lines.push(`  limit      ${what}`, `             → ${fix}`);
  }
  return lines.join('\n');
}
