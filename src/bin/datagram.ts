import type { Libc } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/**
 * Sends one datagram to a Unix socket. Never waits: whoever takes it may hang.
 *
 * @param path of the socket; `@name` for one without a file
 * @returns false when it could not be sent
 */
export type SendDatagram = (path: string, bytes: Buffer) => boolean;

export function datagrams(libc: Libc): SendDatagram {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return (path, bytes) => {
    if (fd < 0) return false;
    const address = socketAddress(path);
    return libc.sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length) === bytes.length;
  };
}

/** `struct sockaddr_un`: the family, then the path and a NUL; a NUL first, and none after it, for a name without a file. */
export function socketAddress(path: string): Buffer {
  // In the machine's own order of bytes, as an array has it.
  const family = Buffer.from(Uint16Array.of(AF_UNIX).buffer);
  const name = path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`;
  return Buffer.concat([family, Buffer.from(name)]);
}
