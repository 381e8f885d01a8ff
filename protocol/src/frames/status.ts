import { z } from 'zod';
import { lookedAt } from '../commands/index.ts';
import { callId, callLane, orchestratorId, sha256Hex, siteId, timeMs } from '../ids.ts';
import { LANES_MAX } from '../limits.ts';

/** One look at a deployed Worker from outside, as a customer has it. */
export const workerCheck = z.object({
  at: timeMs,
  ok: z.boolean(),
  /** Where it was asked, if its deployment said so; else "/". What it is asked for now, `lookedAt` says. */
  path: lookedAt.shape.path.optional(),
  /** Absent, as `latencyMs`, when nobody answered. */
  status: z.int().optional(),
  latencyMs: z.int().min(0).optional(),
  /** That answered, by its own word. */
  version: z.string().max(64).optional(),
  /** Whole days until the certificate ends; absent without TLS. */
  certificateDays: z.int().optional(),
  /** What is wrong. */
  detail: z.string().max(250).optional(),
});
export type WorkerCheck = z.infer<typeof workerCheck>;

/** The last look, and how many of the kept ones were good. */
export const workerHealth = workerCheck.extend({ looks: z.int().min(1), good: z.int().min(0) });

/** A Worker as its orchestrator knows it. */
export const workerStatus = z.object({
  name: z.string(),
  siteId: siteId.optional(),
  url: z.string().optional(),
  versionId: z.string().optional(),
  proof: z.enum(['observed', 'reachable', 'accepted']).optional(),
  /** How what serves differs from what was deployed from here, when somebody has changed it outside. */
  drift: z.string().max(500).optional(),
  state: z.enum(['deploying', 'deployed', 'failed']),
  at: timeMs,
  /** What it is asked for when its health is looked at; else "/", where any answer below 500 is good. */
  lookedAt: lookedAt.optional(),
  health: workerHealth.optional(),
});
export type WorkerStatus = z.infer<typeof workerStatus>;

/** cloudflared beside the orchestrator; `not_configured` when none is. */
export const tunnelStatus = z.object({
  state: z.enum(['up', 'down', 'not_configured']),
  connections: z.int().min(0).optional(),
  detail: z.string().max(500).optional(),
});
export type TunnelStatus = z.infer<typeof tunnelStatus>;

export const queueDepths = z.object({
  /** Entries taken from the edge and not yet handled. */
  inbox: z.int().min(0),
  /** Entries for the edge that it has not acknowledged. */
  outbox: z.int().min(0),
  deadLetters: z.int().min(0),
});

const configAttempt = z.object({
  generation: z.int().min(0),
  at: timeMs,
  error: z.string().max(2_000).optional(),
  /** Of a failure: how often this generation has failed here. */
  failures: z.int().min(1).optional(),
});

export const siteStatus = z.object({
  siteId,
  /** What runs now … */
  generation: z.int().min(0),
  digest: sha256Hex,
  /** … what was tried last, and what failed last, so that "rolled back" never looks like "never received". */
  lastAttempt: configAttempt.optional(),
  lastFailure: configAttempt.optional(),
});
export type SiteStatus = z.infer<typeof siteStatus>;

const memory = z.object({ rssBytes: z.int().min(0), heapUsedBytes: z.int().min(0) });

/** Orchestrator → edge, latest wins: sent after `welcome` and when something in it has changed for good. */
export const status = z.object({
  type: z.literal('status'),
  at: timeMs,
  version: z.string().max(50),
  uptimeS: z.number().min(0),
  memory,
  queues: queueDepths,
  sites: z.array(siteStatus).max(10_000),
  workers: z.array(workerStatus).max(10_000),
  tunnel: tunnelStatus,
});
export type Status = z.infer<typeof status>;

export const channelState = z.enum(['connecting', 'open', 'draining', 'waiting', 'refused', 'stopped']);

/** Where the socket of a lane beyond 0 stands. */
export const laneStatus = z.object({
  lane: callLane,
  state: channelState,
  since: timeMs,
  reason: z.string().max(500).optional(),
});
export type LaneStatus = z.infer<typeof laneStatus>;

/** The data of a live `get_status`. */
export const statusReport = z.object({
  orchestrator: z.object({
    id: orchestratorId,
    version: z.string(),
    uptimeS: z.number(),
    connectedSince: timeMs.optional(),
    fence: z.int().optional(),
    /** Sockets that it keeps: lane 0, and those of `otherLanes`. */
    lanes: z.int(),
    otherLanes: z
      .array(laneStatus)
      .max(LANES_MAX - 1)
      .optional(),
    rttMs: z.number().optional(),
    memory,
    queues: queueDepths,
  }),
  site: z.object({
    generation: z.int(),
    digest: sha256Hex,
    /** Each with its latest looks, the newest first. */
    workers: z.array(workerStatus.extend({ checks: z.array(workerCheck).optional() })),
    routes: z.array(z.object({ path: z.string(), upstream: z.string(), offline: z.string() })),
    lastAttempt: configAttempt.optional(),
    lastFailure: configAttempt.optional(),
  }),
  tunnel: tunnelStatus,
  at: timeMs,
});
export type StatusReport = z.infer<typeof statusReport>;

/** Orchestrator → edge: the answer to `get_status`. */
export const getStatusResult = z.object({
  type: z.literal('get_status_result'),
  id: callId,
  data: statusReport,
});
