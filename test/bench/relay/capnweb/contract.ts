import type { HeaderList } from '@clawdbot/protocol';

/** One HTTP request with its whole body, as a call of Cap'n Web: bytes are one of its own types. */
export interface Call {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
}

export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
}

/** What the Node process offers to the object. */
export interface Relay {
  relay(call: Call): Promise<Answer>;
}
