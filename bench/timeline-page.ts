import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { build } from 'vite';

/** What the controller sends with its page: what runs here runs there. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const KINDS: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', css: 'text/css' };

/** The timeline by itself (web/timeline/trial.html), built as the page is and served on loopback. */
export interface TrialPage {
  /** Its address; what to play goes behind it, as `#mutations=100&nodes=4`. */
  readonly url: string;
  close(): Promise<void>;
}

/** @param root the checkout */
export async function trialPage(root: string): Promise<TrialPage> {
  const built = await build({
    root: join(root, 'web'),
    configFile: false,
    envDir: false,
    publicDir: false,
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      write: false,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: join(root, 'web/timeline/trial.html') },
    },
  });
  if (!('output' in built)) throw new Error('vite gave something else than one bundle');
  const files = new Map(
    built.output.map((file) => [`/${file.fileName}`, file.type === 'chunk' ? file.code : file.source]),
  );
  const server = createServer((request, response) => {
    const content = files.get(request.url ?? '');
    const kind = KINDS[request.url?.split('.').at(-1) ?? ''] ?? 'text/plain';
    response.writeHead(content === undefined ? 404 : 200, {
      'content-type': kind,
      'content-security-policy': POLICY,
    });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/timeline/trial.html`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
