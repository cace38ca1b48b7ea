import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { layerFindings } from './layers.mjs';
import { RULES } from './rules.mjs';

/*
 * Holds the project to its own rules: the layers (scripts/layers.mjs) and everything in scripts/rules.mjs. Looks at what
 * git has or would take, so build results and scratch files do not matter.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TEXT_MAX_BYTES = 1024 * 1024;

const files = projectFiles();
const findings = [...Object.values(RULES).flatMap((rule) => rule(files)), ...(await layerFindings(ROOT))];
for (const { rule, path, message } of findings) console.error(`${path}: ${message} [${rule}]`);
if (findings.length > 0) process.exitCode = 1;
else console.log(`${files.length} files keep ${Object.keys(RULES).length + 1} rules`);

function projectFiles() {
  // CI often checks out as one user and runs as another, which git refuses to read unless told otherwise.
  const args = [
    '-c',
    'safe.directory=*',
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    '--deduplicate',
  ];
  const listed = execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * TEXT_MAX_BYTES });
  return listed
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).size < TEXT_MAX_BYTES)
    .map((path) => ({ path, text: textIn(readFileSync(join(ROOT, path))) }));
}

/**
 * A picture has no words to be held to rules, but is there.
 *
 * @param {Buffer} bytes
 */
function textIn(bytes) {
  return bytes.includes(0) ? '' : bytes.toString('utf8');
}
