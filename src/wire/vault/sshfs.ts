import { refusal, type Refusal } from '../../base/refusal.ts';

/** Why sshfs did not mount, or ended, by what it and ssh printed. @param from `user@host:/path`, for people */
export function explainSshfs(said: string, from: string): Refusal {
  const lines = said.split('\n').map((line) => line.trim());
  const last = lines.findLast((line) => line !== '');
  const words = last === undefined ? '' : ` (${last.slice(0, 300).replace(/\.$/, '')})`;
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known for/i.test(said))
    return refusal(
      'context_denied',
      `The host key of ${from} is not known, or not the one that is.`,
      'Compare it with the host itself, then put it into the file of known hosts.',
    );
  if (/Permission denied \(|Too many authentication failures/i.test(said))
    return refusal(
      'context_denied',
      `${from} does not let us in${words}.`,
      'See docs/vault.md for keys and known hosts.',
    );
  if (/No such file or directory|Not a directory/i.test(said))
    return refusal('vault_missing', `The cipher folder ${from} is not there${words}.`);
  // What ssh says goes beside; sshfs itself says no more than this.
  if (/Connection|resolve|timed out|reset by peer|unreachable|Broken pipe|disconnected/i.test(said))
    return refusal('context_unreachable', `${from} cannot be reached${words}.`);
  return refusal('vault_unavailable', `sshfs could not mount ${from}${words}.`);
}

const FROM = /^(?:[A-Za-z0-9_.][^@:\s,]*@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*):\/[^\n]*$/;

/** Whether this names a folder on a host, `user@host:/path`; nothing that begins like an option does. */
export function isFrom(text: string): boolean {
  return FROM.test(text);
}
