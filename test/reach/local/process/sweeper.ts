import { localReach } from '../../../../src/reach/local/local.ts';
import { sweepSince } from '../../../../src/reach/local/sweep.ts';

/* A task that leaves a process behind, and what the sweep after it says. */

const mutation = `sweep-${process.pid}`;
const sweep = await sweepSince();
const left = 'setsid sleep 1000 >/dev/null 2>&1 &';
await localReach().run({ argv: ['sh', '-c', left], mutation });
// By now it is a program with that mark, and no longer the shell that forked.
await new Promise((resolve) => setTimeout(resolve, 300));
process.stdout.write(JSON.stringify(await sweep(mutation)));
