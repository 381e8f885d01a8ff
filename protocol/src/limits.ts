/**
 * Every limit of the channel, each with its unit in its name and its source beside it.
 * A limit that both sides must agree on is announced in `welcome`; the others are fixed by this version.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** The WebSocket subprotocol both sides must name. */
export const SUBPROTOCOL = 'orchestrator.v1';
/** The protocol versions this code speaks, newest first. */
export const PROTOCOL_VERSIONS: readonly number[] = [1];

/** Sockets of one orchestrator, lane 0 among them: what D1's `orc_orchestrators.lanes` may grant. */
export const LANES_MAX = 16;

/**
 * Largest text message. A Durable Object receives at most 32 MiB and ends a larger one silently with 1009
 * (the other end may see no close at all), so frames stay far below it.
 * Source: https://developers.cloudflare.com/durable-objects/platform/limits/ and a run on workerd.
 */
export const TEXT_MESSAGE_BYTES_MAX = 1 * MIB;
/**
 * Largest run of body bytes in one binary message. Each message costs workerd some 150 µs whatever its size, so what
 * has gathered goes together; half of what may be on a socket, so that two streams still take turns.
 */
export const BODY_CHUNK_BYTES_MAX = 256 * KIB;
/** A body up to this size rides in its head frame; from here on binary messages are cheaper (measured). */
export const INLINE_BODY_BYTES_MAX = 16 * KIB;
/**
 * Largest body of a relayed request; answers have no limit. Cloudflare's own limit on its Free and Pro plans:
 * https://developers.cloudflare.com/workers/platform/limits/#request-limits
 */
export const RELAY_BODY_BYTES_MAX = 100 * MIB;
/**
 * What a streamed body may send before its receiver has granted anything: one binary message, so that a body of
 * that size needs no round trip, and one that nobody reads costs no more.
 */
export const STREAM_OPENING_BYTES = 64 * KIB;
/**
 * What a streamed body may have on its way or unread, once its reader reads: 512 KiB fill 10 MiB/s at a round trip of
 * 50 ms. A stream that has it takes nothing from others: see STREAMS_HELD_BYTES_MAX.
 */
export const STREAM_WINDOW_BYTES = 512 * KIB;
/**
 * Unread bytes of all streams on one socket, beyond the opening ones: windows shrink on the way there. An object has
 * 128 MB for everything (https://developers.cloudflare.com/durable-objects/platform/limits/), and several sockets
 * may end in one isolate.
 */
export const STREAMS_HELD_BYTES_MAX = 16 * MIB;
/** Body bytes given to a socket that it has not passed on yet; control frames wait behind no more than this. */
export const SOCKET_BODY_BYTES_MAX = 512 * KIB;
/** What waits for a socket, of all streams; beyond it the stream that has most of it ends, never the socket. */
export const SOCKET_WAITING_BYTES_MAX = 8 * MIB;
/**
 * A streamed body of which nothing has moved for this long is given up. Cloudflare's own idle limit of a proxied
 * connection: https://developers.cloudflare.com/fundamentals/reference/connection-limits/
 */
export const STREAM_IDLE_MS = 15 * 60 * 1000;
/** The edge's last resort for an answer to a streamed request: 100 MiB at 30 KiB/s. Each side ends idle ones itself. */
export const UPLOAD_DEADLINE_MS = 60 * 60 * 1000;
/**
 * A request's body of a known length up to this is read whole, at the edge and on the VPS: a stream through RPC costs
 * more than its bytes. It is what a stream may send without credit (STREAM_OPENING_BYTES), so it waits for none.
 */
export const WHOLE_BODY_BYTES_MAX = 64 * KIB;
/** Largest set of headers in either direction, names and values together (Cloudflare's own limit is 128 KB). */
export const HEADER_BYTES_MAX = 128 * KIB;

/** Largest durable entry, as JSON. What is larger travels as a blob that the entry names by digest. */
export const ENTRY_BYTES_MAX = 64 * KIB;
/** A batch of entries leaves at whichever comes first: measured, 500 rows are 1.8 times as fast as 100. */
export const BATCH_ENTRIES_MAX = 500;
export const BATCH_BYTES_MAX = 256 * KIB;
/** Batches that may be on the wire unacknowledged: 8 hide the round trip (measured 211,000 rows/s). */
export const BATCHES_IN_FLIGHT_MAX = 8;
/** A log refuses its producer beyond these; it never drops what it has taken. */
export const LOG_ENTRIES_MAX = 1_000_000;
export const LOG_BYTES_MAX = 1024 * MIB;
/** Acknowledged entries are kept this long, so that a restored backup can be offered them again. */
export const LOG_RETENTION_MS = 24 * 60 * 60 * 1000;

/** An entry whose handling failed this often is a dead letter. */
export const HANDLING_ATTEMPTS_MAX = 5;
/** Between two attempts to handle an entry, doubled from the first to the fifth: a minute of a store in trouble. */
export const HANDLING_RETRY_MS = 2_000;
/**
 * Dead letters that one log's inbox keeps, 640 MB at the worst: those that have been dead longest are given up for
 * newer ones, and counted. A full inbox that took no more would stall the very entries that drop letters.
 */
export const DEAD_LETTERS_MAX = 10_000;

/** One part of a blob: a Durable Object row holds at most 2 MB, so parts stay at half of it. */
export const BLOB_PART_BYTES = 1 * MIB;
/** A deployment's modules together (Cloudflare takes 10 MB compressed on paid plans). */
export const DEPLOY_BYTES_MAX = 10 * MIB;
/** A site's config as JSON: it must fit an entry, with room for the entry's own fields. */
export const CONFIG_BYTES_MAX = 48 * KIB;
/** Generations of a site's config that are kept, beside the one that runs and the last good one: some 5 MB at the worst. */
export const CONFIG_HISTORY_MAX = 100;
/** A generation that its orchestrator has refused this often is not sent again before it is edited. */
export const CONFIG_FAILURES_MAX = 3;

/** A secret's value in UTF-8: a key with its certificates fits. Escaped six-fold, it still fits a text message. */
export const SECRET_BYTES_MAX = 64 * KIB;
/** Secrets of one site: its signatures and its Workers' secrets. All of them are listed at once. */
export const SECRETS_PER_SITE_MAX = 200;
/** The public part of a site's config: every visitor's browser may load it. */
export const PUBLIC_CONFIG_BYTES_MAX = 16 * KIB;
/** Largest body of a request that is stored (`offline: 'queue'`); above it 413. */
export const QUEUE_BODY_BYTES_MAX = 10 * MIB;
/** A stored request as one blob, head and body: its URL and headers may take up to this much beside the body. */
export const PARCEL_BYTES_MAX = QUEUE_BODY_BYTES_MAX + 512 * KIB;
/**
 * Largest answer of an upstream to a stored request that is handed on to a customer who waits. It travels in one
 * frame, which must not keep others waiting; who would get a larger one gets the receipt.
 */
export const RECEIPT_ANSWER_BYTES_MAX = 256 * KIB;
/** A parcel up to this size is pushed to an orchestrator whose customer waits, instead of being asked for: a round trip. */
export const PARCEL_PUSH_BYTES_MAX = 12 * KIB;
/** A pushed parcel is as good as one that was asked for, for so long; and so many bytes of them wait at most. */
export const PARCEL_PUSH_MS = 5_000;
export const PARCELS_PUSHED_BYTES_MAX = 4 * MIB;
/** A stored request is delivered for this long, unless its route says otherwise. */
export const DELIVERY_AGE_MS = 72 * 60 * 60 * 1000;
/** What was stored is kept this long behind its end, to be searched and delivered again, … */
export const PARCEL_KEPT_MS = 7 * 24 * 60 * 60 * 1000;
/** … and its receipt this long. */
export const RECEIPT_KEPT_MS = 30 * 24 * 60 * 60 * 1000;
/** A site may have it kept shorter, or this long. */
export const PARCEL_KEPT_MS_MAX = 30 * 24 * 60 * 60 * 1000;
/**
 * Receipts that one object keeps, and bytes of what was stored: less than half of the 10 GB that an object has.
 * Beyond them what has ended goes before its time; when that is not enough new requests are refused.
 */
export const RECEIPTS_MAX = 1_000_000;
export const PARCELS_BYTES_MAX = 4 * 1024 * MIB;
/** A customer's own `Idempotency-Key` names the same receipt for this long. */
export const RECEIPT_KEY_MS = 24 * 60 * 60 * 1000;

/** The orchestrator sends `ping` this often; the object's runtime answers `pong` without waking it. */
export const HEARTBEAT_MS = 25_000;
/** Silence that makes the orchestrator redial: one and a half heartbeats. */
export const SILENCE_MS = HEARTBEAT_MS * 1.5;
export const PING = 'ping';
export const PONG = 'pong';
/** The edge probes after this much silence while a call is open … */
export const PROBE_AFTER_MS = 2_000;
/** … and gives the socket up after this much more. */
export const PROBE_TIMEOUT_MS = 2_000;
/** A socket that has not said `hello` by then is closed. */
export const HELLO_TIMEOUT_MS = 5_000;

/** A call without a deadline of its own. */
export const CALL_DEADLINE_MS = 30_000;
/** No call may wait longer; longer work is a command. */
export const CALL_DEADLINE_MS_MAX = 120_000;
/** Calls open on one socket; more are refused with `overloaded`. */
export const CALLS_OPEN_MAX = 4_096;
/** A drained socket may still answer the calls opened on it for this long. */
export const DRAIN_MS = 30_000;
/** A session lasts no longer: another has followed it by then, on a socket and a token of its own (PROTOCOL S14). */
export const SESSION_MS_MAX = 12 * 60 * 60 * 1_000;

/** An orchestrator's token lives at most this long. */
export const TOKEN_LIFETIME_S_MAX = 300;
/** Clocks may differ by this much; a token's `jti` is remembered until `exp` plus this. */
export const CLOCK_TOLERANCE_S = 60;

/**
 * A dashboard's socket is probed after this much: a hibernatable socket tells nothing of what waits on it. It is
 * several snapshots of a usual organisation, so a probe is rare, and the most that one that never reads costs
 * before anybody asks.
 */
export const LIVE_PROBE_EVERY_BYTES = 256 * KIB;
/**
 * A dashboard that has not answered a probe while this much more was sent to it, … An update carries up to 512 KiB of
 * events, and ten may go in a second: one that reads all of them and answers 300 ms late has up to 2 MiB behind
 * the probe, and is not to be dropped. A dashboard that never reads costs its Hub this much at the most.
 */
export const LIVE_UNPROVEN_BYTES_MAX = 4 * MIB;
/** … or for this long (a background tab's timers may wait, its socket's messages do not), is too slow to be live. */
export const LIVE_PROBE_TIMEOUT_MS = 15_000;

/** RFC 6455 §5.5: a control frame's payload is at most 125 bytes, two of which are the close code. */
export const CLOSE_REASON_BYTES_MAX = 123;
/** `serializeAttachment` throws above this. https://developers.cloudflare.com/durable-objects/api/state/ */
export const ATTACHMENT_BYTES_MAX = 16_384;
/** Cloudflare's API budget: calls in a window of seconds, per token, shared by all who use it. */
export const API_CALLS_PER_WINDOW = 1_200;
export const API_WINDOW_S = 300;
