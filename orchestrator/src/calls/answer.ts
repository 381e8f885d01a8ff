import { type BodyHead, type FrameToEdge, headOfBody } from '@clawdbot/protocol';
import type { BodyStream, Reply } from './body.ts';

/** What answers a call: a frame, and a body behind it as binary messages. */
export interface Answer {
  readonly frame: FrameToEdge;
  readonly body?: Uint8Array | BodyStream;
}

export function responseOf(id: number, { status, headers, body }: Reply): Answer {
  const head = body === null || body instanceof Uint8Array ? headOfBody(body) : headOfStream(body);
  const frame = { type: 'response' as const, id, status, headers, body: head };
  return head.kind === 'stream' && body !== null ? { frame, body } : { frame };
}

const headOfStream = ({ length }: BodyStream): BodyHead => ({
  kind: 'stream',
  ...(length === undefined ? {} : { length }),
});
