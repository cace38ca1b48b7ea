/** Randomness, as an argument. */
export interface Ids {
  /** A fresh UUIDv7. */
  mutation(): string;
}
