import { parseDocument } from 'yaml';
import { wrongSettings } from './settings-file.ts';

/**
 * What a file of settings says. YAML takes a few megabytes to read, so it is not loaded by whoever can do without.
 *
 * @throws RefusedError `usage` when it is no YAML
 */
export function readYaml(path: string, text: string): unknown {
  const document = parseDocument(text);
  const [broken] = document.errors;
  if (broken !== undefined) throw wrongSettings(path, broken.message.split('\n')[0] ?? 'it is no YAML');
  return document.toJS();
}
