import { CLOSE_REASON_BYTES_MAX } from './limits.ts';

/** What the orchestrator does after a close: dial again, or stay up without dialling and say why. */
export type AfterClose = 'retry' | 'fatal';

/**
 * Every close code that may end a channel socket. 1xxx are RFC 6455 §7.4.1; 44xx are ours, numbered after the
 * HTTP status nearest in meaning (the private range 4000–4999, RFC 6455 §7.4.2).
 */
export const CLOSE = {
  normal: { code: 1000, after: 'retry', meaning: 'ended on purpose, no reason to stay away' },
  goingAway: { code: 1001, after: 'retry', meaning: 'the other process is stopping' },
  noStatus: { code: 1005, after: 'retry', meaning: 'closed without a code' },
  abnormal: { code: 1006, after: 'retry', meaning: 'the connection was lost' },
  tooBig: { code: 1009, after: 'retry', meaning: 'a message was larger than the receiver takes' },
  internal: { code: 1011, after: 'retry', meaning: 'the other side failed' },
  restarting: { code: 1012, after: 'retry', meaning: 'the edge is being deployed or restarted' },
  malformed: { code: 4400, after: 'retry', meaning: 'a frame did not match its schema' },
  unauthorized: { code: 4401, after: 'retry', meaning: 'the token behind this socket is no longer good' },
  revoked: { code: 4403, after: 'fatal', meaning: 'the key was revoked, or the orchestrator removed' },
  unsupported: { code: 4406, after: 'fatal', meaning: 'no protocol version in common: upgrade one side' },
  helloTimeout: { code: 4408, after: 'retry', meaning: 'no hello in time' },
  superseded: { code: 4409, after: 'fatal', meaning: 'a newer process of this orchestrator has taken over' },
  replaced: { code: 4410, after: 'retry', meaning: 'this process has dialled again; the old socket ends' },
  staleLog: {
    code: 4411,
    after: 'fatal',
    meaning: 'this database is older than what it acknowledged',
  },
  drained: { code: 4412, after: 'retry', meaning: 'the drain is over' },
  tooLarge: { code: 4413, after: 'retry', meaning: 'a message was larger than the limit that welcome names' },
  tooEarly: { code: 4425, after: 'retry', meaning: 'lane 0 has not welcomed this process yet' },
  overloaded: { code: 4429, after: 'retry', meaning: 'too much waits on this socket' },
  unresponsive: { code: 4504, after: 'retry', meaning: 'a probe was not answered' },
} as const satisfies Record<string, { code: number; after: AfterClose; meaning: string }>;

export type CloseName = keyof typeof CLOSE;

const NAME_OF = new Map<number, CloseName>(
  (Object.keys(CLOSE) as CloseName[]).map((name) => [CLOSE[name].code, name]),
);

/** The name of a close code, or undefined for one that this version does not know. */
export const closeName = (code: number): CloseName | undefined => NAME_OF.get(code);

/** What to do after a close. An unknown code is retried: staying away for good needs a reason we understand. */
export function afterClose(code: number): AfterClose {
  const name = closeName(code);
  return name === undefined ? 'retry' : CLOSE[name].after;
}

/** RFC 6455 reserves 1005 and 1006 for reporting; sending them throws, so they are echoed as 1000. */
export const sendableCode = (code: number): number => (code === 1005 || code === 1006 ? 1000 : code);

/** Cuts a close reason to the 123 bytes that fit, at a character's boundary. */
export function closeReason(text: string): string {
  let bytes = 0;
  let kept = '';
  for (const char of text) {
    const point = char.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
    if (bytes > CLOSE_REASON_BYTES_MAX) break;
    kept += char;
  }
  return kept;
}
