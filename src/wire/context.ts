import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';

/** Where a command is meant to run. */
export type Context =
  | { readonly via: 'local' }
  /** `lxd` takes `lxc`, or `incus` where there is no `lxc`. */
  | { readonly via: 'lxd' | 'incus'; readonly instance: string }
  | { readonly via: 'ssh'; readonly host: string; readonly user?: string; readonly port?: number };

/** As LXD itself has it. */
const INSTANCE = /^[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
/**
 * Narrower than what ssh would take: its configuration may put user and host into shell lines (`ProxyCommand`, `Match exec`), and
 * what begins with a dash would be an option.
 */
const SSH =
  /^(?:(?<user>[A-Za-z0-9_][A-Za-z0-9_.+-]*)@)?(?:\[(?<address>[0-9A-Fa-f:.]+)\]|(?<host>[A-Za-z0-9_][A-Za-z0-9._-]*))(?::(?<port>\d{1,5}))?$/;
const LENGTH_MAX = 320;

/** `local` · `lxd:crm` · `incus:crm` · `ssh:root@db1` · `ssh:db1:2222` · `ssh:[fd00::1]:22`; a host may be an alias of ssh's configuration. */
export function parseContext(text: string): Result<Context, Refusal> {
  if (text === 'local') return ok({ via: 'local' });
  const [, via, rest = ''] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  if (text.length > LENGTH_MAX) return invalid(`${text.slice(0, 40)}…`, 'it is too long');
  switch (via) {
    case 'lxd':
    case 'incus':
      if (!INSTANCE.test(rest))
        return invalid(text, 'an instance is named with 1 to 63 letters, digits and "-", beginning with a letter');
      return ok({ via, instance: rest });
    case 'ssh': {
      const { user, address, host, port } = SSH.exec(rest)?.groups ?? {};
      const named = address ?? host;
      if (named === undefined) return invalid(text, 'a destination is [USER@]HOST[:PORT]');
      if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
        return invalid(text, 'there is no such port');
      return ok({
        via,
        host: named,
        ...(user === undefined ? {} : { user }),
        ...(port === undefined ? {} : { port: Number(port) }),
      });
    }
    default:
      return invalid(text, 'it is none of the kinds there are');
  }
}

/** The context as text again, the shortest that means it. */
export function contextName(context: Context): string {
  if (context.via === 'local') return 'local';
  if (context.via !== 'ssh') return `${context.via}:${context.instance}`;
  const { user, host, port } = context;
  const named = host.includes(':') ? `[${host}]` : host;
  return `ssh:${user === undefined ? '' : `${user}@`}${named}${port === undefined ? '' : `:${port}`}`;
}

function invalid(text: string, why: string): Result<never, Refusal> {
  return err(refusal('context_invalid', `${JSON.stringify(text)} is not a context: ${why}.`));
}
