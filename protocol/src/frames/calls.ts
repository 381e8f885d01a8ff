import { z } from 'zod';
import type { HeaderList } from '../headers.ts';
import { callId, receiptId, sha256Hex, siteId } from '../ids.ts';
import { CALL_DEADLINE_MS_MAX, INLINE_BODY_BYTES_MAX, STREAM_WINDOW_BYTES } from '../limits.ts';

const deadlineMs = z.int().min(1).max(CALL_DEADLINE_MS_MAX);
const HEADERS_MAX = 500;
/**
 * Names and values in the order they came, repeated ones apart. One function instead of a schema for each of the
 * strings: those were half the cost of checking a frame.
 */
const headers = z
  .custom<HeaderList>(isHeaderList, `expected at most ${HEADERS_MAX} pairs of name and value`)
  .meta({
    type: 'array',
    maxItems: HEADERS_MAX,
    items: {
      type: 'array',
      prefixItems: [{ type: 'string', minLength: 1 }, { type: 'string' }],
      items: false,
    },
  });

function isHeaderList(given: unknown): given is HeaderList {
  return Array.isArray(given) && given.length <= HEADERS_MAX && given.every(isHeader);
}

const isHeader = (given: unknown): boolean =>
  Array.isArray(given) &&
  given.length === 2 &&
  typeof given[0] === 'string' &&
  given[0] !== '' &&
  typeof given[1] === 'string';

/**
 * Where a message's body is: in the head as text (valid UTF-8) or base64, in binary messages that follow
 * (`stream`, ended by the last chunk's flag), or nowhere.
 */
const body = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('none') }),
  z.object({ kind: z.literal('text'), data: z.string().max(INLINE_BODY_BYTES_MAX) }),
  z.object({ kind: z.literal('base64'), data: z.base64().max(Math.ceil(INLINE_BODY_BYTES_MAX / 3) * 4) }),
  z.object({
    kind: z.literal('stream'),
    /** In bytes, when it is known beforehand. */
    length: z.int().min(0).optional(),
  }),
]);
export type BodyHead = z.infer<typeof body>;

/** Edge → orchestrator: a customer's request for a site's upstream, or an admin's for the orchestrator itself. */
export const request = z.object({
  type: z.literal('request'),
  id: callId,
  target: z.enum(['upstream', 'self']),
  /** Absent when the target is the orchestrator itself. */
  siteId: siteId.optional(),
  method: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}$/, 'expected an HTTP token (RFC 9110 §5.6.2)'),
  /** Path and query, as the customer sent them, prefix stripped. */
  url: z.string().startsWith('/').max(16_384),
  headers,
  body,
  /** One id from edge to upstream, as `X-Request-Id` and in every log line. */
  requestId: z.string().min(1).max(128),
  /** Counts from the last byte of the request that was passed on, up to the head of the answer. */
  deadlineMs,
});
export type RequestHead = z.infer<typeof request>;

/** Orchestrator → edge: the head of the answer to `request`. */
export const response = z.object({
  type: z.literal('response'),
  id: callId,
  status: z.int().min(200).max(599),
  headers,
  body,
});
export type ResponseHead = z.infer<typeof response>;

/** Both: the body that was streaming has ended without a last chunk of its own. */
export const end = z.object({ type: z.literal('end'), id: callId });

/** Both: nobody waits for this call any more. */
export const cancel = z.object({ type: z.literal('cancel'), id: callId, reason: z.string().max(500) });

/** Both: the receiver of a streaming body takes this many bytes more. */
export const credit = z.object({
  type: z.literal('credit'),
  id: callId,
  bytes: z.int().min(1).max(STREAM_WINDOW_BYTES),
});

/** Edge → orchestrator: how are you, and how is this site? Answered by `get_status_result` or `error`. */
export const getStatus = z.object({ type: z.literal('get_status'), id: callId, siteId, deadlineMs });

/** Orchestrator → edge: one part of a blob, please. Answered by binary messages, or `error`. */
export const blob = z.object({
  type: z.literal('blob'),
  id: callId,
  sha256: sha256Hex,
  part: z.int().min(0),
  /** The blob is this receipt's parcel: its own, and gone (`not_found`) once nothing is to be delivered any more. */
  receiptId: receiptId.optional(),
});
