import { defineConfig } from 'vitest/config';

/**
 * Real processes on a machine that others use too: of three thousand tests one meets a stall of seconds in some runs. What
 * passes only the second time is named by test/reporter.ts, and counted.
 */
const RETRIES = 1;

/**
 * Three kinds of test, each with the limits it deserves. `test/` mirrors `src/`; a test of `src/core/lease/grant.ts` is
 * `test/core/lease/grant.test.ts`. Run one kind with `vitest run --project unit`, one file with `npx vitest run <path>`.
 */
export default defineConfig({
  test: {
    pool: 'threads',
    reporters: ['default', './test/reporter.ts'],
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/conformance/**', 'test/**/fixtures/**'],
          // One module graph a worker instead of one a file: four times faster, and code under test has no global state.
          isolate: false,
          testTimeout: 5_000,
        },
      },
      {
        extends: true,
        test: {
          // One suite a port, run against the fake and against the real thing: real file systems, so slower.
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          exclude: ['test/conformance/**/*.{zfs,lxd}.test.ts', 'test/**/fixtures/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          retry: RETRIES,
          // Workers a project may only differ from another's when the two do not run at once.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      // What needs OpenZFS runs where there is one: in the lab (lab/scenarios/conformance.ts), or by hand with HAUKI_ZFS=1.
      ...(process.env['HAUKI_ZFS'] === undefined
        ? []
        : [
            {
              extends: true as const,
              test: {
                name: 'zfs',
                include: ['test/conformance/**/*.zfs.test.ts'],
                // Under emulation a process takes a second to start.
                testTimeout: 300_000,
                hookTimeout: 300_000,
                maxWorkers: 2,
                sequence: { groupOrder: 3 },
              },
            },
          ]),
      // The same of LXD: in the lab (lab/scenarios/reach.ts), or by hand with HAUKI_LXD naming a running container to use.
      ...(process.env['HAUKI_LXD'] === undefined
        ? []
        : [
            {
              extends: true as const,
              test: {
                name: 'lxd',
                include: ['test/conformance/**/*.lxd.test.ts'],
                testTimeout: 600_000,
                hookTimeout: 600_000,
                maxWorkers: 2,
                sequence: { groupOrder: 4 },
              },
            },
          ]),
      {
        extends: true,
        test: {
          // Real processes. They wait for one another more than they compute, but too many at once and time limits lie.
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['test/**/fixtures/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          retry: RETRIES,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
