import { scenario } from '../scenario.ts';

export default scenario({
  about: 'The storage port is kept on real ZFS: the same suite that btrfs and directories pass, deaths included.',
  minutesMax: 20,
  async run(lab) {
    await lab.vitest(['--project', 'zfs'], { HAUKI_ZFS: '1', HAUKI_KILLS: '6' });
  },
});
