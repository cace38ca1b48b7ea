import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { parseDuration } from '../base/duration.ts';
import { refusal, RefusedError } from '../base/refusal.ts';

/** `30s`, `10m`, `90d` → ms. */
export const duration = z.string().transform((text, context) => {
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: 'custom', message: `"${text}" is not a duration such as 30s, 10m or 90d` });
  return z.NEVER;
});

/**
 * Settings as they were meant. Those that cannot be understood are an error: a typo must not loosen anything in silence.
 *
 * @param path of their file, for people
 * @throws RefusedError `usage`, naming the place
 */
export function checkSettings<T>(path: string, settings: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(settings ?? {});
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`);
  throw wrongSettings(path, faults.join('; '));
}

export function wrongSettings(path: string, what: string): RefusedError {
  return new RefusedError(
    refusal('usage', `${path} cannot be used: ${what}.`, 'Mend it; docs/configuration.md says what may stand there.'),
  );
}

/** @returns undefined when there is no such file. @throws RefusedError `usage` when it cannot be read */
export function settingsText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw wrongSettings(path, (error as Error).message);
  }
}
