/** What carries events to a reader. */
export type Transport = 'sse' | 'websocket';

/** Figures about a controller, for whoever scrapes them. */
export interface Metrics {
  /** Of what `text` returns. */
  readonly contentType: string;
  /** Everything as it is now, in the text format of Prometheus. */
  text(): Promise<string>;
  /**
   * A reader of events has come.
   *
   * @returns to be called once, when it leaves; `missed`: it was too slow and was let go
   */
  readerCame(transport: Transport): (missed: boolean) => void;
}
