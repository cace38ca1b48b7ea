import { refusal, RefusedError } from '../../base/refusal.ts';
import { type Scope, SCOPES } from '../../core/token/token.ts';
import { calling, connect } from '../connect.ts';
import { oneLine, printJson, printText, say, table } from '../output.ts';
import { when } from './history.ts';
import { msOf, type NodeOptions } from './node.ts';

/** API tokens: `hauki token create`, `list`, `revoke`. */

export interface TokenOptions extends NodeOptions {
  readonly scope?: readonly string[];
  readonly expires?: string;
}

export async function tokenCreate(name: string, options: TokenOptions): Promise<number> {
  const scopes = (options.scope ?? []).map(scopeOf);
  if (scopes.length === 0) {
    throw new RefusedError(
      refusal('usage', 'There is no --scope.', `Say what the token is for: ${SCOPES.join(', ')}.`),
    );
  }
  const expiry = options.expires === undefined ? {} : { validMs: msOf(options.expires) };
  const issued = await calling(connect(options.controller), (client) => client.issueToken({ name, scopes, ...expiry }));
  if (options.json) printJson(issued);
  else {
    printText(issued.token);
    say(
      `this is the only time it is shown; bear it in HAUKI_TOKEN or log in to the controller's page with it; it may ${scopes.join(', ')}`,
    );
  }
  return 0;
}

export async function tokenList(options: NodeOptions): Promise<number> {
  const list = await calling(connect(options.controller), (client) => client.tokens());
  if (options.json) printJson(list);
  else if (list.tokens.length === 0) printText('no tokens');
  else {
    const rows = list.tokens.map(({ name, scopes, issuedAt, expiresAt }) => [
      name,
      scopes.join(', '),
      when(issuedAt),
      expiresAt === undefined ? 'until revoked' : when(expiresAt),
    ]);
    printText(table(['TOKEN', 'MAY', 'MADE', 'UNTIL'], rows));
  }
  return 0;
}

export async function tokenRevoke(name: string, options: NodeOptions): Promise<number> {
  const done = await calling(connect(options.controller), (client) => client.revokeToken(name));
  if (options.json) printJson(done);
  else printText(`revoked    ${oneLine(name)}`);
  return 0;
}

function scopeOf(text: string): Scope {
  const scope = SCOPES.find((one) => one === text);
  if (scope !== undefined) return scope;
  throw new RefusedError(refusal('usage', `"${text}" is no scope.`, `Choose from ${SCOPES.join(', ')}.`));
}
