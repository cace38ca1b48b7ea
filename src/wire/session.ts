import * as z from 'zod';
import { SCOPES } from '../core/token/token.ts';

/** The HTTP contract of a browser's session: a token is shown once, and a cookie stands for it from then on. */

/**
 * What a page sends with every request that changes something, as `x-hauki-page: 1`. No form and no link of another page can,
 * and a script of another page may only after asking, which is answered to nobody.
 */
export const PAGE_HEADER = 'x-hauki-page';

export const SessionAsk = z
  .strictObject({ token: z.string().min(1).max(1024) })
  .meta({ id: 'SessionAsk', description: 'The token of HAUKI_HOME/token (on the loopback port), or an API token.' });

export const SessionView = z
  .object({
    principal: z.string().nullable().meta({
      description: 'As whom the caller is known: `operator`, `token NAME`, `node NAME`; null: nobody is logged in.',
    }),
    scopes: z.array(z.enum(SCOPES)).meta({ description: 'What it may.' }),
    until: z.iso
      .datetime()
      .optional()
      .meta({ description: 'When the session ends at the latest; not there where there is none.' }),
  })
  .meta({ id: 'Session' });

export type SessionAsk = z.infer<typeof SessionAsk>;
export type SessionView = z.infer<typeof SessionView>;
