import { z } from 'zod';
import { wireError } from '../errors.ts';
import { callLane, commandId, lane, logId, orchestratorId, seq, sha256Hex, siteId, timeMs } from '../ids.ts';
import { LANES_MAX } from '../limits.ts';

export const logName = z.enum(['control', 'queue']);
export type LogName = z.infer<typeof logName>;

/**
 * Where one side stands in both directions of a log. `oldest..last` is what it can still send of its own log
 * `logId`; `applied` is what it has committed of the peer's log `peerLogId`. A log of a restored database is a
 * new one that `continues` the old: up to `seq` their entries are the same.
 */
export const positions = z
  .object({
    logId,
    continues: z.object({ logId, seq }).optional(),
    oldest: seq,
    last: seq,
    peerLogId: logId.optional(),
    applied: seq,
    /** SHA-256 of the body of the entry at `applied`: tells a copy of a database that went on by itself. */
    appliedDigest: sha256Hex.optional(),
    /** Edge only: how far of `applied` is in D1 too. */
    projected: seq.optional(),
  })
  .refine(({ oldest, last }) => oldest <= last + 1, { error: 'a log begins at its end at the latest' });
export type Positions = z.infer<typeof positions>;

const logs = z.object({ control: positions, queue: positions.optional() });

/** Who dials: what the first frame says on every lane. */
const caller = z.object({
  protocol: z.array(z.int().min(1)).min(1).max(10),
  orchestratorId,
  /** Raised in SQLite at every boot: the newest process has the highest. */
  generation: z.int().min(1),
  /** Random, one per process. */
  instanceId: z.string().min(8).max(64),
  version: z.string().max(50),
});
export type Caller = z.infer<typeof caller>;

/** Orchestrator → edge, first frame on lane 0: who dials, and where it stands. */
export const hello = caller.extend({
  type: z.literal('hello'),
  lane,
  lanes: z.int().min(1).max(LANES_MAX),
  capabilities: z.array(z.string().max(50)).max(50),
  clockMs: timeMs,
  /** The database was restored, and no `resync` has come to its end since: it is asked for (again). */
  awaitsResync: z.literal(true).optional(),
  logs,
  /** The config that runs, per site. */
  sites: z.array(z.object({ siteId, generation: z.int().min(0), digest: sha256Hex })).max(10_000),
});
export type Hello = z.infer<typeof hello>;

/** Orchestrator → edge, first frame on a lane beyond 0: a process that lane 0 has welcomed. */
export const join = caller.extend({ type: z.literal('join'), lane: callLane });
export type Join = z.infer<typeof join>;

/** The terms of a session, on every lane. */
const terms = z.object({
  protocol: z.int().min(1),
  sessionId: z.string().min(8).max(64),
  /** Of the process: given by lane 0, the same on all lanes until lane 0 is dialled again. */
  fence: z.int().min(1),
  heartbeatMs: z.int().min(1_000),
  clockMs: timeMs,
  limits: z.object({
    textMessageBytes: z.int(),
    bodyChunkBytes: z.int(),
    relayBodyBytes: z.int(),
    callsOpen: z.int(),
  }),
});
export type Terms = z.infer<typeof terms>;

/** Edge → orchestrator, the answer to `join`: from here on the session carries calls, and nothing else. */
export const joined = terms.extend({ type: z.literal('joined') });
export type Joined = z.infer<typeof joined>;

/** Edge → orchestrator, the answer to `hello`: from here on the session is open. */
export const welcome = terms.extend({
  type: z.literal('welcome'),
  /** This orchestrator's share of the Cloudflare API budget of its token. */
  apiBudget: z.object({ calls: z.int().min(0), windowS: z.int().min(1) }),
  logs,
});
export type Welcome = z.infer<typeof welcome>;

/**
 * Edge → orchestrator, between `welcome` and the first entry, when the two do not know the same: after a restored
 * or lost database, or when entries are gone. What the edge knows as finished stays finished; what cannot be
 * offered again is listed. One or more frames, the last of them says so.
 */
export const resync = z.object({
  type: z.literal('resync'),
  reason: z.string().max(500),
  /** Commands that have ended: one that is still open on the VPS is not run. */
  finished: z.array(commandId).max(5_000),
  /** Positions of the edge's logs, both ends included, that were deleted before the orchestrator had them. */
  unrecoverable: z.array(z.object({ log: logName, from: seq, to: seq })).max(100),
  last: z.boolean(),
});
export type Resync = z.infer<typeof resync>;

/** Edge → orchestrator: are you there? The answer is the same frame, sent back. */
export const probe = z.object({ type: z.literal('probe'), n: z.int().min(0) });

/** Both: everything up to `applied` is committed in the inbox (and up to `projected` in D1). */
export const ack = z.object({
  type: z.literal('ack'),
  log: logName,
  applied: seq,
  projected: seq.optional(),
});

/** Both: send me nothing new; what is open may finish within `DRAIN_MS`. */
export const drain = z.object({
  type: z.literal('drain'),
  reason: z.string().max(500),
  retryAfterMs: z.int().min(0).optional(),
});

/** Both: a call failed (`id`), or the session has something to complain of (no `id`). */
export const error = z.object({ type: z.literal('error'), id: z.int().min(1).optional(), error: wireError });
