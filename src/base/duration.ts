import { refusal, type Refusal } from './refusal.ts';
import { err, ok, type Result } from './result.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What a time limit may be at most, ms: a timer of the system's that is set to much more goes off at once. */
export const LIMIT_MS_MAX = 24 * 3_600_000;

/** `"90s"`, `"10m"`, `"1h30m"`, `"500ms"`, `"0s"` → whole milliseconds. A bare number is refused: its unit would be a guess. */
export function parseDuration(text: string): Result<number, Refusal> {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/gy)];
  const whole = parts.map((part) => part[0]).join('') === text && parts.length > 0;
  if (!whole) return err(refusal('duration_invalid', `"${text}" is not a duration.`));
  const ms = parts.reduce((sum, part) => sum + Number(part[1]) * (UNIT_MS[part[2] ?? ''] ?? 0), 0);
  if (!Number.isSafeInteger(Math.round(ms))) return err(refusal('duration_invalid', `"${text}" is too long.`));
  return ok(Math.round(ms));
}

/** Milliseconds → the shortest honest words for people: `4 ms`, `1.2 s`, `3 min`, `2 h`, `5 d`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
