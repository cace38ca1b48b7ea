import { STANDALONE } from './standalone.ts';

/**
 * The system calls that neither Node nor Bun has a function for, and a service needs: datagrams to Unix sockets for whatever supervises it. Each
 * answers as in C; what went wrong is not asked for.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  sendto(fd: number, bytes: Buffer, size: number, flags: number, address: Buffer, addressSize: number): number;
  /** For what was mapped: an address of /proc/self/smaps. */
  madvise(address: bigint, size: bigint, advice: number): number;
}

/** By what the runtime has for that: koffi under Node, `bun:ffi` in the executable. @throws when there is neither */
export function openLibc(): Promise<Libc> {
  return STANDALONE ? byBun() : byKoffi();
}

async function byKoffi(): Promise<Libc> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const sendto = libc.func(
    'intptr_t sendto(int fd, const void *bytes, size_t size, int flags, const void *address, unsigned int addressSize)',
  );
  const madvise = libc.func('int madvise(uintptr_t address, size_t size, int advice)');
  return {
    socket: (...args) => Number(socket(...args)),
    sendto: (...args) => Number(sendto(...args)),
    madvise: (...args) => Number(madvise(...args)),
  };
}

/** Of `bun:ffi`, what is used here. */
interface BunFfi {
  readonly dlopen: (
    library: string,
    symbols: Readonly<Record<string, { readonly args: readonly string[]; readonly returns: string }>>,
  ) => { readonly symbols: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> };
}

async function byBun(): Promise<Libc> {
  // Behind a variable: only Bun knows such a module, and everybody else who reads this file would look for it.
  const name: string = 'bun:ffi';
  const { dlopen } = (await import(name)) as BunFfi;
  const { symbols } = dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    sendto: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'u32'], returns: 'i64' },
    madvise: { args: ['u64', 'u64', 'i32'], returns: 'i32' },
  });
  return {
    socket: (...args) => Number(symbols['socket']?.(...args)),
    sendto: (...args) => Number(symbols['sendto']?.(...args)),
    madvise: (...args) => Number(symbols['madvise']?.(...args)),
  };
}
