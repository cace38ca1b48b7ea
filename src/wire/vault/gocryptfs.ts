import { refusal, type Refusal } from '../../base/refusal.ts';

/* What gocryptfs prints and how it exits, as values. Its codes stand in its own internal/exitcodes. */

const CIPHER_FOLDER = 6;
const EMPTY_KEY = new Set([9, 22]);
const MOUNT_POINT = 10;
const NO_CONFIG = 11;
const WRONG_KEY = 12;
const UNREADABLE_CONFIG = 23;
const UNWRITABLE_CONFIG = 24;
const FSCK_ERRORS = 26;

/** What it says at every start, or in spite of itself. */
const NOISE =
  /^(Reading (Password|Masterkey) from stdin|Decrypting master key|Using explicit master key\.|Choose a password .*|Please enter your new password\.|SwitchLoggerToSyslog: .*|)$/;

/**
 * Why gocryptfs did not do what it was asked for.
 *
 * @param code its exit code; null when a signal ended it
 * @param said what it printed, both streams
 * @param cipher the folder, for people
 */
export function explainGocryptfs(code: number | null, said: string, cipher: string): Refusal {
  const words = lastWords(said);
  if (code === CIPHER_FOLDER && /not empty/.test(said))
    return refusal('vault_present', `${cipher} is not empty: a vault is made in an empty folder.`);
  if (code === CIPHER_FOLDER) return refusal('vault_missing', `The cipher folder ${cipher} cannot be used${words}.`);
  if (code === NO_CONFIG || code === UNREADABLE_CONFIG)
    return refusal('vault_missing', `${cipher} holds no vault that can be read${words}.`);
  if (code === WRONG_KEY) return refusal('vault_key_wrong', `The key does not open the vault in ${cipher}.`);
  if (code !== null && EMPTY_KEY.has(code)) return refusal('vault_key_wrong', 'The key is empty.');
  if (code === MOUNT_POINT) return refusal('mount_point_unusable', `gocryptfs cannot mount there${words}.`);
  if (code === UNWRITABLE_CONFIG)
    return refusal('vault_unavailable', `gocryptfs.conf in ${cipher} could not be written${words}.`);
  const how = code === null ? 'was ended by a signal' : `ended with code ${code}`;
  return refusal('vault_unavailable', `gocryptfs ${how} on ${cipher}${words}.`);
}

/** The master key as gocryptfs-xray prints it: 256 bits in hex. Undefined when there is none. */
export function readMasterKey(said: string): string | undefined {
  return /^[0-9a-f]{64}$/m.exec(said)?.[0];
}

/** What a check of the whole vault found. */
export interface FsckReport {
  readonly healthy: boolean;
  /** One a thing that is damaged, in words for people; at most 1,000 of them. */
  readonly damaged: readonly string[];
  /** How many there are. */
  readonly count: number;
  /** Files that could not be looked at, for lack of permission. */
  readonly skipped: number;
}

const DAMAGED_MAX = 1_000;
/** Of a cipher folder that can have no extended attributes, sshfs's for one; gocryptfs takes it for damage. */
const UNSUPPORTED = /^fsck: error listing xattrs on ".*": operation not supported$/;

/** @returns undefined when the check itself did not come to an end */
export function readFsck(code: number | null, said: string): FsckReport | undefined {
  if (code !== 0 && code !== FSCK_ERRORS) return undefined;
  const lines = said.split('\n').filter((line) => line.startsWith('fsck: '));
  const found = lines.filter((line) => !UNSUPPORTED.test(line));
  // The same is told again for each look at it.
  const damaged = [...new Set(found.map(inWords))];
  const summary = /^fsck summary: (\d+) corrupt files, (\d+) files skipped/m.exec(said);
  const skipped = Number(summary?.[2] ?? 0);
  const count = Math.max(Number(summary?.[1] ?? 0) - (lines.length - found.length), damaged.length);
  return {
    healthy: count === 0 && (code === 0 || lines.length > 0),
    damaged: damaged.slice(0, DAMAGED_MAX),
    count,
    skipped,
  };
}

function inWords(line: string): string {
  const entry = /^fsck: corrupt entry in dir (".*"): (".*")$/.exec(line);
  if (entry !== null)
    return `the folder ${inside(entry[1])} has an entry whose name cannot be decrypted: ${entry[2]} in the cipher folder`;
  const reading = /^fsck: error reading (file|symlink) (".*?")(?: \(inum \d+\))?(?:: .*)?$/.exec(line);
  if (reading !== null)
    return `the ${reading[1] === 'file' ? 'file' : 'symbolic link'} ${reading[2]} cannot be decrypted`;
  const opening = /^fsck: error opening (dir|file) (".*?"): (.*)$/.exec(line);
  if (opening !== null)
    return `the ${opening[1] === 'dir' ? 'folder' : 'file'} ${opening[2]} cannot be opened: ${opening[3]}`;
  return line.slice('fsck: '.length);
}

function inside(quoted: string | undefined): string {
  return quoted === '""' ? 'at the top' : (quoted ?? '');
}

function lastWords(said: string): string {
  const lines = said.split('\n').map((line) => line.trim());
  const last = lines.findLast((line) => !NOISE.test(line));
  return last === undefined ? '' : ` (gocryptfs: ${last.slice(0, 300).replace(/\.$/, '')})`;
}
