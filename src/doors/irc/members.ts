/** Who is in which channel: people there see everything anyway, and may ask in private too. */
export class Members {
  readonly #channels = new Map<string, Set<string>>();

  /** Whether somebody is in any of the channels. */
  has(nick: string): boolean {
    return [...this.#channels.values()].some((nicks) => nicks.has(folded(nick)));
  }

  join(channel: string, nick: string): void {
    this.#of(channel).add(folded(nick));
  }

  /** Those whom the server names after a join: further ones, since it may take several lines. */
  list(channel: string, nicks: readonly string[]): void {
    for (const nick of nicks) this.join(channel, nick);
  }

  part(channel: string, nick: string): void {
    this.#of(channel).delete(folded(nick));
  }

  /** We are not in the channel any more, and see no longer who is. */
  leave(channel: string): void {
    this.#channels.delete(folded(channel));
  }

  quit(nick: string): void {
    for (const nicks of this.#channels.values()) nicks.delete(folded(nick));
  }

  rename(from: string, to: string): void {
    for (const nicks of this.#channels.values()) if (nicks.delete(folded(from))) nicks.add(folded(to));
  }

  clear(): void {
    this.#channels.clear();
  }

  #of(channel: string): Set<string> {
    const nicks = this.#channels.get(folded(channel)) ?? new Set();
    this.#channels.set(folded(channel), nicks);
    return nicks;
  }
}

/** RFC 1459 takes `{}|^` for the small letters of `[]\~`. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll(/[[\]\\~]/g, (character) => '{}|^'['[]\\~'.indexOf(character)] ?? character);
}
