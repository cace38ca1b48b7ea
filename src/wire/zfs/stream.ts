/** A record's header, whatever its kind: kind, length of what follows it, and 304 bytes of its own. */
const HEADER_BYTES = 312;
const BEGIN = 0;
const BEGIN_MAGIC = 0x2f5bacbacn;

/** FREEOBJECTS and END: what also a stream has in which nothing is sent. The one says that beyond the last object there is none. */
const EMPTY_KINDS: ReadonlySet<number> = new Set([2, 5]);

/**
 * Reads what `zfs send -i` writes only as far as to know whether it sends anything at all: that is exact, unlike the property
 * `written`, which counts a rollback's own work on the intent log as well. In the byte order of the machine that sends.
 */
export function streamReader(): { push(chunk: Buffer): void; end(): { readonly sendsNothing: boolean } } {
  let rest: Buffer = Buffer.alloc(0);
  /** Of what follows the header of BEGIN. */
  let skip = 0;
  let begun = false;
  let changed = false;

  function header(record: Buffer): void {
    const kind = record.readUInt32LE(0);
    if (!begun) {
      if (kind !== BEGIN || record.readBigUInt64LE(8) !== BEGIN_MAGIC) throw new TypeError('not a stream of zfs send');
      begun = true;
      skip = record.readUInt32LE(4);
    } else if (!EMPTY_KINDS.has(kind)) changed = true;
  }

  return {
    push(chunk) {
      // How long the records are in which something is sent need not be known.
      if (changed) return;
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const skipped = Math.min(skip, rest.length);
        rest = rest.subarray(skipped);
        skip -= skipped;
        if (changed || rest.length < HEADER_BYTES) return;
        header(rest.subarray(0, HEADER_BYTES));
        rest = rest.subarray(HEADER_BYTES);
      }
    },
    end() {
      if (!begun || (!changed && rest.length > 0)) throw new TypeError('a stream of zfs send ends too early');
      return { sendsNothing: !changed };
    },
  };
}
