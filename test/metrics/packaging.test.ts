import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';

import { Place } from '../engine/place.ts';
import { needs } from '../needs.ts';
import { metricsOf, promtool, Scraped } from './scraped.ts';

/* What is packaged for Prometheus and Grafana, against what a controller tells. */

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}
const RULES = 'packaging/prometheus/hauki.rules.yml';
const RULES_TEST = 'packaging/prometheus/hauki.rules.test.yml';
const rules = (parse(read(RULES)) as Rules).groups.flatMap((group) => group.rules);
const cases = parse(read(RULES_TEST)) as { readonly tests: readonly { readonly name: string }[] };

interface Dashboard {
  readonly templating: unknown;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}
const dashboard = JSON.parse(read('packaging/grafana/hauki.json')) as Dashboard;

let told: Set<string>;
let known: Set<string>;
beforeAll(async () => {
  const place = new Place();
  told = new Scraped(await metricsOf(place, await place.start()).text()).names();
  known = new Set([...told, 'up']);
});

/** The metrics that a query names: what is no function, keyword, label or duration. */
function metricsIn(query: string): string[] {
  const bare = query
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\b(by|without|on|ignoring|label_values)\s*\([^)]*\)/g, '')
    .replaceAll(/\[[^\]]*\]/g, '');
  return [...bare.matchAll(/\b[a-z_]+[a-z]\b(?!\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !['and', 'or', 'unless', 'bool'].includes(name));
}

describe('what a query names', () => {
  test('is found', () => {
    expect(metricsIn('sum by (a, b) (rate(x_total{c="d_e"}[5m])) / y_bytes > 3 * 86400')).toEqual([
      'x_total',
      'y_bytes',
    ]);
  });
});

describe('the alerts', () => {
  test('name only metrics that there are', () => {
    expect(rules.length).toBeGreaterThan(10);
    for (const { alert, expr } of rules) {
      const named = metricsIn(expr);
      expect({ alert, named: named.length > 0, unknown: named.filter((name) => !known.has(name)) }).toEqual({
        alert,
        named: true,
        unknown: [],
      });
    }
  });

  test('have a test each', () => {
    expect(cases.tests.map(({ name }) => name).toSorted()).toEqual(rules.map(({ alert }) => alert).toSorted());
  });
});

describe('the dashboard', () => {
  const charts = dashboard.panels.filter(({ targets }) => targets !== undefined);

  test('names only metrics that there are', () => {
    expect(charts.length).toBeGreaterThan(15);
    for (const { title, targets = [] } of charts) {
      const named = targets.flatMap(({ expr }) => metricsIn(expr));
      expect({ title, named: named.length > 0, unknown: named.filter((name) => !known.has(name)) }).toEqual({
        title,
        named: true,
        unknown: [],
      });
    }
    expect(JSON.stringify(dashboard.templating)).toContain('label_values(hauki_build_info, job)');
  });

  test('has panels that do not lie over one another', () => {
    const covered = new Set<string>();
    for (const { gridPos } of dashboard.panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(x).toBeLessThan(24);
          expect(covered).not.toContain(`${x},${y}`);
          covered.add(`${x},${y}`);
        }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});

test('docs/metrics.md has every metric, and no other', () => {
  const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');
  const described = [...read('docs/metrics.md').matchAll(/^\| `((?:hauki|process|nodejs)_[a-z_]+)/gm)].map(
    ([, name]) => name,
  );
  expect(new Set(described)).toEqual(new Set([...told].map(base)));
  expect(described.length).toBe(new Set(described).size);
});

needs('promtool').describe('promtool', () => {
  test('has nothing against the alerts', () => {
    expect(promtool(['check', 'rules', join(ROOT, RULES)])).toMatchObject({ code: 0 });
  });

  test('sees each of them fire when it should, and only then', () => {
    expect(promtool(['test', 'rules', join(ROOT, RULES_TEST)])).toMatchObject({ code: 0 });
  });
});
