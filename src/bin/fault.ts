/**
 * Death on demand, for the fault matrix: `HAUKI_FAULT=<point>` kills this process with SIGKILL when it gets there, so that a test
 * can see what every possible crash leaves behind. Points of the guard are named in guard.ts, those of a controller in
 * faulty-ports.ts. Whoever can set our environment can kill us anyway.
 */
export function faultPoint(point: string): void {
  if (process.env['HAUKI_FAULT'] === point) process.kill(process.pid, 'SIGKILL');
}
