import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * docs/api-reference.md, made from what a controller says of itself at /openapi.json: `npm run docs:api` starts one in a folder of
 * its own, asks it, and writes the page. A test holds the page against a running controller.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const PAGE = join(ROOT, 'docs/api-reference.md');

/** Longer lists of words say nothing in a table. */
const WORDS_MAX = 20;

/**
 * What is read of a schema; OpenAPI 3.1 has those of JSON Schema 2020-12.
 *
 * @typedef {{
 *   $ref?: string, description?: string, type?: string | string[], const?: unknown, enum?: unknown[], format?: string,
 *   anyOf?: Schema[], oneOf?: Schema[], allOf?: Schema[], properties?: Record<string, Schema>, required?: string[],
 *   additionalProperties?: Schema | boolean, items?: Schema, minimum?: number, maximum?: number, maxLength?: number,
 * }} Schema
 */
/** @typedef {{ summary: string, description?: string, tags: string[], parameters?: any[], requestBody?: any, responses: Record<string, any>, 'x-needs'?: string[] }} Operation */

/**
 * @param {any} openApi the document
 * @returns {string} the page, in Markdown
 */
export function apiReference(openApi) {
  /** @type {{ method: string, path: string, operation: Operation }[]} */
  const routes = Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.entries(/** @type {Record<string, Operation>} */ (methods)).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
  const groups = groupedBy(routes);
  const schemas = namedIn(openApi, routes);
  return `${[
    '# API reference',
    '',
    'Made by `npm run docs:api` from what a controller says at `/openapi.json`; a test holds this page against a running one. What the parts are for, and',
    'how events and webhooks work, stands in [api.md](api.md).',
    '',
    '*Needs* says who may ask: a scope of a token, `node` for a node of the mesh, `peer` for anybody who is known, `anyone`. One of them is enough; an operator has',
    'all scopes, a node has `guard` for its own. Every route can also be refused, with status 4XX or 5XX and [Denied](#denied) or [Problem](#problem): the codes are in',
    '[errors.md](errors.md).',
    '',
    '| route | needs | |',
    '|---|---|---|',
    ...routes.map(
      ({ method, path, operation }) =>
        `| [\`${method} ${path}\`](#${anchor(`${method} ${path}`)}) | ${needsOf(operation)} | ${cell(operation.summary)} |`,
    ),
    ...[...groups].flatMap(([group, members]) => ['', `## Routes of ${group}`, ...members.flatMap(described)]),
    '',
    '## Schemas',
    '',
    'Fields in brackets may be missing. `a.b` is field `b` of `a`, `a[]` each member of a list, `a.*` the value of any name.',
    ...schemas.flatMap(({ name, schema }) => ['', `### ${name}`, '', ...shown(schema)]),
  ].join('\n')}\n`;
}

/** @param {{ path: string }} route */
function groupOf({ path }) {
  return path.split('/').find((part) => part !== '' && part !== 'v1') ?? path;
}

/**
 * @template {{ path: string }} T
 * @param {readonly T[]} routes
 * @returns {Map<string, T[]>}
 */
function groupedBy(routes) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const route of routes) groups.set(groupOf(route), [...(groups.get(groupOf(route)) ?? []), route]);
  return groups;
}

/** @param {{ method: string, path: string, operation: Operation }} route */
function described({ method, path, operation }) {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  const bodies = Object.values(requestBody?.content ?? {}).map(({ schema }) => typeOf(schema));
  return [
    '',
    `### ${method} ${path}`,
    '',
    summary,
    ...(description === undefined ? [] : ['', description.replaceAll(/([<>])/g, '\\$1')]),
    '',
    `Needs: ${needsOf(operation)}.${bodies.length > 0 ? ` Body: ${bodies.join(' or ')}.` : ''}`,
    ...(parameters.length === 0 ? [] : ['', '| parameter | in | type | |', '|---|---|---|---|']),
    ...parameters.map(
      (one) =>
        `| ${named(one.name, one.required)} | ${one.in} | ${typeOf(one.schema)} | ${cell(one.description ?? one.schema.description ?? '')} |`,
    ),
    '',
    ...Object.entries(responses)
      .filter(([status]) => !/^[45]/.test(status))
      .map(([status, { description: said, content = {} }]) => {
        const kinds = Object.entries(content).map(([kind, { schema }]) =>
          kind === 'application/json' ? typeOf(schema) : `\`${kind}\``,
        );
        const words = said === 'OK.' || said === 'Created.' ? '' : ` ${said}`;
        return `- **${status}**${kinds.length > 0 ? ` ${kinds.join(' or ')}.` : ''}${words}`;
      }),
  ];
}

/** @param {Operation} operation */
function needsOf(operation) {
  return (operation['x-needs'] ?? []).map((need) => `\`${need}\``).join(' or ');
}

/**
 * The schemas that routes name, and those that these name.
 *
 * @param {any} openApi
 * @param {readonly { operation: Operation }[]} routes
 */
function namedIn(openApi, routes) {
  const { schemas } = openApi.components;
  /** @type {Map<string, Schema>} */
  const found = new Map();
  /** @param {unknown} value */
  const look = (value) => {
    for (const [, name = ''] of JSON.stringify(value).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      const plain = plainName(name);
      if (found.has(plain)) continue;
      found.set(plain, schemas[name]);
      look(schemas[name]);
    }
  };
  for (const { operation } of routes) look(operation);
  return [...found]
    .map(([name, schema]) => ({ name, schema }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/**
 * What is sent carries `Input` behind its name, because it may leave out what has a default.
 *
 * @param {string} name
 */
function plainName(name) {
  return name.replace(/Input$/, '');
}

/** @param {Schema} schema */
function shown(schema) {
  const { description } = schema;
  const rows = rowsOf(schema, '');
  return [
    ...(description === undefined ? [] : [description]),
    ...(description !== undefined && rows.length > 0 ? [''] : []),
    ...(rows.length > 0 ? ['| field | type | |', '|---|---|---|', ...rows] : [typeOf(schema)]),
  ];
}

/**
 * @param {Schema} schema
 * @param {string} prefix of its fields
 * @returns {string[]} rows of a table
 */
function rowsOf(schema, prefix) {
  const variants = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  const required = new Set(schema.required ?? []);
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    return [
      `| ${named(path, required.has(name))} | ${typeOf(field)} | ${cell(field.description ?? '')} |`,
      ...rowsOf(field, `${path}.`),
      ...(field.items === undefined ? [] : rowsOf(field.items, `${path}[].`)),
    ];
  });
  const { additionalProperties: others } = schema;
  const any = typeof others === 'object' ? rowsOf(others, `${prefix}*.`) : [];
  return [...new Set([...own, ...any, ...variants.flatMap((one) => rowsOf(one, prefix))])];
}

/**
 * @param {string} name
 * @param {boolean} required
 */
function named(name, required) {
  return required ? `\`${name}\`` : `[\`${name}\`]`;
}

/**
 * @param {Schema} schema
 * @returns {string} for a cell of a table
 */
function typeOf(schema) {
  if (schema.$ref !== undefined) {
    const name = plainName(schema.$ref.split('/').at(-1) ?? '');
    return `[${name}](#${name.toLowerCase()})`;
  }
  const variants = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (variants !== undefined) return [...new Set(variants.map(typeOf))].join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) {
    if (schema.enum.length > WORDS_MAX) return 'one of many words';
    return schema.enum.map((word) => `\`${String(word)}\``).join(', ');
  }
  if (schema.type === 'array') return schema.items === undefined ? 'list' : `list of ${typeOf(schema.items)}`;
  if (schema.type === 'integer' || schema.type === 'number') return `${schema.type}${rangeOf(schema)}`;
  if (schema.type === 'string' && schema.format !== undefined) return schema.format;
  if (schema.type === 'string' && schema.maxLength !== undefined) return `string, at most ${schema.maxLength}`;
  return [schema.type ?? 'any'].flat().join(' or ');
}

/** @param {Schema} schema */
function rangeOf({ minimum, maximum }) {
  // The safe integers are what JSON has anyway.
  const [low, high] = [minimum, maximum].map((end) =>
    Math.abs(end ?? Infinity) >= Number.MAX_SAFE_INTEGER ? undefined : end,
  );
  if (low !== undefined && high !== undefined) return `, ${low} to ${high}`;
  return low === undefined ? (high === undefined ? '' : `, at most ${high}`) : `, at least ${low}`;
}

/** @param {string} text */
function cell(text) {
  return text
    .replaceAll('\n', ' ')
    .replaceAll('|', '\\|')
    .replaceAll(/([<>])/g, '\\$1');
}

/** @param {string} heading */
function anchor(heading) {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-');
}

/** @returns {Promise<any>} the document of a controller that was started for it */
async function fromController() {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-api-'));
  const home = join(folder, 'home');
  const child = spawn(join(ROOT, 'hauki'), ['up', '--port', '0', '--json'], {
    env: { ...process.env, HAUKI_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((_, reject) =>
    child.once('exit', (code) => reject(new Error(`the controller ended with ${code}`))),
  );
  gone.catch(() => {});
  try {
    await Promise.race([gone, new Promise((resolve) => child.stdout.once('data', resolve))]);
    return JSON.parse(await get(join(home, 'controller.sock'), '/openapi.json'));
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.kill('SIGTERM')) await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} socketPath
 * @param {string} path
 * @returns {Promise<string>}
 */
function get(socketPath, path) {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.once('end', () => resolve(text));
    })
      .once('error', reject)
      .end();
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, apiReference(await fromController()));
