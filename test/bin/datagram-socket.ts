import { rmSync } from 'node:fs';

import koffi from 'koffi';

import { socketAddress } from '../../src/bin/datagram.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const SIZE_MAX = 64 * 1024;

/** A Unix socket that takes datagrams, as systemd's are. */
export interface DatagramSocket {
  /** What has come, from the beginning. */
  readonly taken: () => readonly string[];
  readonly close: () => void;
}

export function datagramSocket(path: string): DatagramSocket {
  const libc = koffi.load(null);
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const bind = libc.func('int bind(int fd, const void *address, unsigned int size)');
  const recv = libc.func('intptr_t recv(int fd, void *bytes, size_t size, int flags)');
  const close = libc.func('int close(int fd)');
  const fd = Number(socket(AF_UNIX, SOCK_DGRAM, 0));
  const address = socketAddress(path);
  if (Number(bind(fd, address, address.length)) !== 0) throw new Error(`cannot bind ${path}`);
  const all: string[] = [];
  return {
    taken: () => {
      const bytes = Buffer.alloc(SIZE_MAX);
      for (;;) {
        const size = Number(recv(fd, bytes, bytes.length, MSG_DONTWAIT));
        if (size < 0) return all;
        all.push(bytes.toString('utf8', 0, size));
      }
    },
    close: () => {
      close(fd);
      rmSync(path, { force: true });
    },
  };
}
