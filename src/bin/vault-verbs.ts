import type { Command } from 'commander';

import type {
  FsckOptions,
  InitOptions,
  MountOptions,
  RotateOptions,
  StatusOptions,
  UnmountOptions,
} from './commands/vault.ts';
import type { VerbTools } from './mesh-verbs.ts';

/** `hauki vault`: the encrypted file space. Each verb is loaded when it is called for. */
export function vaultVerbs({ program, answer }: VerbTools): Readonly<Record<string, () => void>> {
  return {
    vault: () => {
      const vault = program
        .command('vault')
        .description("the mesh's encrypted file space: gocryptfs, kept mounted")
        .exitOverride()
        .addHelpText(
          'after',
          `
What is not said is taken from "vault:" in node.yaml. The key is never an argument: it comes from a file, from systemd, or is asked
for at the terminal. See docs/vault.md.

  $ hauki vault init  --cipher /srv/cipher --key-file /etc/hauki/vault.key
  $ hauki vault mount --cipher /srv/cipher --key-file /etc/hauki/vault.key --mount /srv/vault --node crm`,
        );
      const part = (spec: string, description: string): Command =>
        vault
          .command(spec)
          .description(description)
          .exitOverride()
          .option('--json', 'print one JSON document on stdout, and nothing else');
      const ciphered = (spec: string, description: string): Command =>
        part(spec, description)
          .option('--cipher <dir>', 'the folder of the ciphertext')
          .option('--sshfs <user@host:/dir>', 'the same on another host, by sshfs')
          .option('--port <n>', 'of its ssh')
          .option('--known-hosts <file>', "ssh: the host keys that count, instead of the user's")
          .option('--identity <file>', "ssh: the key to log in with, instead of the user's")
          .option('--key-file <file>', 'holds the key in one line, closed to others')
          .option('--credential <name>', 'the key is this credential of systemd');
      ciphered('init', 'make a vault in an empty folder, and show its recovery key: once')
        .addHelpText(
          'after',
          '\nA key file that is not there is made, with a new key. Without one the key is asked for.',
        )
        .action(answer(async (options: InitOptions) => (await import('./commands/vault.ts')).vaultInit(options)));
      ciphered('mount', 'mount it and keep it mounted, until Ctrl-C')
        .option('--mount <dir>', 'an empty folder to mount on')
        .option('--node <name>', "make this node's folders in it; can be given again", collect)
        .addHelpText(
          'after',
          '\nA vault that is in use is not unmounted by the first Ctrl-C; the second one takes it away from who uses it.',
        )
        .action(answer(async (options: MountOptions) => (await import('./commands/vault.ts')).vaultMount(options)));
      part('status', 'how the vault stands; exit 0 when it is mounted and answers, 75 when not')
        .option('--mount <dir>', 'where it is mounted')
        .action(answer(async (options: StatusOptions) => (await import('./commands/vault.ts')).vaultStatus(options)));
      part('unmount', 'unmount it, and end the "hauki vault mount" that keeps it mounted')
        .option('--mount <dir>', 'where it is mounted')
        .option('--force', 'though it is in use: what is open stays open until it is closed')
        .action(answer(async (options: UnmountOptions) => (await import('./commands/vault.ts')).vaultUnmount(options)));
      part('remount', 'unmount it, and wait until whoever keeps it mounted has mounted it again: after a rollback')
        .option('--mount <dir>', 'where it is mounted')
        .option('--force', 'though it is in use: what is open stays open until it is closed')
        .action(answer(async (options: UnmountOptions) => (await import('./commands/vault.ts')).vaultRemount(options)));
      ciphered('rotate', 'have another key open it from now on; nothing is encrypted anew')
        .option('--new-key-file <file>', 'the new key; made if it is not there (default: a new one in the key file)')
        .option('--recovery-key-file <file>', 'the recovery key opens it, instead of a key that is lost')
        .option('--recovery', 'the same, asked for at the terminal')
        .action(answer(async (options: RotateOptions) => (await import('./commands/vault.ts')).vaultRotate(options)));
      ciphered(
        'fsck',
        'read everything in it, and name what is damaged; exit 0 nothing, 1 something, 75 not looked',
      ).action(answer(async (options: FsckOptions) => (await import('./commands/vault.ts')).vaultFsck(options)));
    },
  };
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}
