/** Waits for something that other processes bring about: looks again and again, never sleeps a fixed time and hopes. */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  msMax = 20_000,
): Promise<T> {
  const end = performance.now() + msMax;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited ${msMax} ms in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
