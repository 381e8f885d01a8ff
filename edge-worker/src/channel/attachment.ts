import { ATTACHMENT_BYTES_MAX, logName } from '@clawdbot/protocol';
import { z } from 'zod';

/**
 * All that a socket's session keeps across hibernation: the object is built anew and finds only this. The
 * version is part of it, because a deploy may meet sockets that an older version accepted.
 */
const attachment = z.discriminatedUnion('state', [
  z.object({ v: z.literal(1), state: z.literal('greeting'), kid: z.string(), acceptedAt: z.int() }),
  z.object({
    v: z.literal(1),
    state: z.enum(['open', 'draining']),
    kid: z.string(),
    sessionId: z.string(),
    fence: z.int(),
    instanceId: z.string(),
    since: z.int(),
    /** What its hello offered; of before the second log, the first. */
    logs: z.array(logName).default(['control']),
  }),
]);
export type Attachment = z.infer<typeof attachment>;
export type OpenAttachment = Extract<Attachment, { state: 'open' | 'draining' }>;

/** The state of a socket that woke the object; undefined when another version wrote it and it cannot be read. */
export function readAttachment(socket: WebSocket): Attachment | undefined {
  const read = attachment.safeParse(socket.deserializeAttachment());
  return read.success ? read.data : undefined;
}

export function writeAttachment(socket: WebSocket, value: Attachment): void {
  // serializeAttachment throws above its limit, in the midst of a handler; JSON is the larger form of ours.
  const size = JSON.stringify(value).length;
  if (size > ATTACHMENT_BYTES_MAX) throw new RangeError(`an attachment of ${size} bytes`);
  socket.serializeAttachment(value);
}
