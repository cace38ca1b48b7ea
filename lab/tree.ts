import type { Lab } from './guest.ts';

/** Fills a folder with what there is in file systems: links of both kinds, holes, attributes, owners, modes, odd names. */
export async function furnish(lab: Lab, path: string): Promise<void> {
  const script = `
    cd "$0"
    mkdir -p app/deep data
    echo one > config
    head -c 300000 /dev/urandom > data/blob
    truncate -s 4M data/sparse
    printf end | dd of=data/sparse bs=1 seek=2000000 conv=notrunc status=none
    ln data/blob app/hard; ln -s ../config app/soft; mkfifo app/pipe
    echo secret > app/deep/key; chown alice:alice app/deep/key; chmod 4750 app/deep/key
    setfattr -n user.origin -v lab config
    echo odd > $'app/odd \\xff\\nname'
    for n in {1..40}; do echo "$n" > app/deep/"$n"; done`;
  await lab.run(['bash', '-euo', 'pipefail', '-c', script, path]);
}

/** All that can be told of a folder: names, kinds, modes, owners, links, times, sizes, attributes, and what is in the files. */
export async function fingerprint(lab: Lab, path: string): Promise<string> {
  const script = `
    cd "$0"; export LC_ALL=C
    find . -xdev -path ./.zfs -prune -o -printf '%p %y %#m %U %G %n %T@ %s %l\\0' | sort -z | tr '\\0' '\\n'
    find . -xdev -path ./.zfs -prune -o -type f -print0 | sort -z | xargs -0r sha256sum
    find . -xdev -path ./.zfs -prune -o -print0 | sort -z | xargs -0r getfattr -hd -m - --`;
  return (await lab.run(['bash', '-euo', 'pipefail', '-c', script, path])).stdout;
}
