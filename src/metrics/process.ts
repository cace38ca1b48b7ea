import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

/**
 * This process, by the names that all of Prometheus' clients give. Not by prom-client's own collection: that measures the event loop by
 * a timer that wakes an idle controller a hundred times a second, and names some gauges as if they were counters.
 */
export function processIn(registry: Registry): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number | undefined): void =>
    void new Gauge({
      name,
      help,
      registers,
      collect() {
        // One figure that cannot be had, for want of descriptors, must not take all others away.
        try {
          const value = read();
          if (value !== undefined) this.set(value);
        } catch {
          this.set(Number.NaN);
        }
      },
    });

  let told = 0;
  void new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time of the controller, its own and for it, in seconds.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      const now = (user + system) / 1e6;
      this.inc(Math.max(0, now - told));
      told = now;
    },
  });
  gauge(
    'process_start_time_seconds',
    'When it started, in seconds since the epoch.',
    () => performance.timeOrigin / 1_000,
  );
  gauge('process_resident_memory_bytes', 'Memory of it that is resident.', () => process.memoryUsage.rss());
  gauge('process_open_fds', 'File descriptors that are open.', () => readdirSync('/proc/self/fd').length);
  gauge('process_max_fds', 'File descriptors that may be open.', openFilesMax);
  gauge('nodejs_heap_used_bytes', 'Heap in use.', () => process.memoryUsage().heapUsed);
  let before = performance.eventLoopUtilization();
  gauge(
    'nodejs_eventloop_utilization_ratio',
    'Share of the time since the last scrape in which the loop was busy.',
    () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
  );
}

function openFilesMax(): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === undefined ? undefined : Number(soft);
}
