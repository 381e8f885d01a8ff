import type { HeaderList } from '@clawdbot/protocol';

/** A request on its way to Node. */
export interface Call {
  readonly id: number;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: HeaderList;
}

/** The head of its answer; without a body, that follows in binary messages: the id in 4 bytes, then bytes, none at the end. */
export interface Head {
  readonly id: number;
  readonly status: number;
  readonly headers: HeaderList;
  readonly body?: string;
}

export const ID_BYTES = 4;
