import { z } from 'zod';
import {
  adoptWorker,
  commandError,
  deployWorker,
  finalState,
  rollbackWorker,
  updateConfig,
} from '../commands/index.ts';
import {
  commandId,
  eventId,
  logId,
  orchestratorId,
  receiptId,
  seq,
  sha256Hex,
  siteId,
  timeMs,
} from '../ids.ts';
import { json, jsonObject } from '../json.ts';
import { logName } from './session.ts';

/** Edge → orchestrator: stops a command that is queued or running on the orchestrator, if it still can be stopped. */
export const cancelCommand = z.object({
  type: z.literal('cancel_command'),
  commandId,
  reason: z.string().max(500),
});

/**
 * Edge → orchestrator: the site is no longer this orchestrator's. Its config goes, and what is still to be done for it is
 * cancelled.
 */
export const removeSite = z.object({
  type: z.literal('remove_site'),
  siteId,
  /** The orchestrator that has it now, if it was not deleted: what was deployed for it is that one's, too. */
  movedTo: orchestratorId.optional(),
});
export type RemoveSite = z.infer<typeof removeSite>;

/**
 * Edge → orchestrator: takes the place of an entry that was withdrawn before it was ever sent, so that positions have no
 * gap.
 */
export const withdrawn = z.object({ type: z.literal('withdrawn'), commandId });

/** Orchestrator → edge: a command has begun, or has reached a milestone. */
export const commandProgress = z.object({
  type: z.literal('command_progress'),
  commandId,
  at: timeMs,
  milestone: z.string().max(100),
  detail: z.string().max(2_000).optional(),
});

/** Orchestrator → edge: a command has ended. The first result of a command counts. */
export const commandResult = z.object({
  type: z.literal('command_result'),
  commandId,
  at: timeMs,
  state: finalState,
  result: json.optional(),
  error: commandError.optional(),
  reason: z.string().max(500).optional(),
});
export type CommandResult = z.infer<typeof commandResult>;

const eventFields = {
  siteId,
  data: jsonObject,
  /** ISO 8601 in UTC, as the existing stack has it. */
  createdAt: z.iso.datetime().max(40),
  syncedToWorkers: z.boolean(),
};

/** One event, in the shape that the existing stack has: `SyncEvent`. */
export const syncEventBody = z.discriminatedUnion('type', [
  z.object({ type: z.literal('worker_deployment'), ...eventFields }),
  z.object({ type: z.literal('config_change'), ...eventFields }),
  z.object({ type: z.literal('health_check'), ...eventFields }),
]);

export type SyncEvent = z.infer<typeof syncEventBody>;

/** Orchestrator → edge: something happened on the VPS. The id is given once, with the fact, and is kept in D1. */
export const syncEvent = z.object({ type: z.literal('sync_event'), id: eventId, event: syncEventBody });

/** Names an entry of the edge's log that the orchestrator holds as a dead letter. */
const letterKey = { log: logName, logId, seq };

/**
 * Orchestrator → edge: an entry could not be handled, or one that could not be was settled. The edge shows it
 * while the VPS is away, too.
 */
export const deadLetterReport = z.object({
  type: z.literal('dead_letter'),
  ...letterKey,
  at: timeMs,
  state: z.enum(['dead', 'handled', 'dropped']),
  attempts: z.int().min(0),
  error: z.string().max(2_000),
});

/** Edge → orchestrator: what an operator wants done with a dead letter there. */
export const deadLetterAction = z.object({
  type: z.literal('dead_letter_action'),
  ...letterKey,
  action: z.enum(['replay', 'drop']),
  actor: z.string().max(500),
});

/**
 * Edge → orchestrator: a row of a table that the existing API owns is now so, or is gone. `position` is the
 * change's place in D1: an older one that comes late changes nothing.
 */
export const rowChanged = z.object({
  type: z.literal('row_changed'),
  table: z.string().min(1).max(100),
  key: z.string().max(500),
  position: z.int().min(1),
  /** Absent: the row was deleted. */
  row: jsonObject.optional(),
});
export type RowChanged = z.infer<typeof rowChanged>;

/**
 * Edge → orchestrator: a customer's request is stored, deliver it. What the customer sent is in the parcel alone, a
 * blob of this receipt: a log is not encrypted.
 */
export const webhook = z.object({
  type: z.literal('webhook'),
  receiptId,
  siteId,
  /** The path of the route that took it: deliveries of one route are ordered, and wait for each other. */
  route: z.string().min(1).max(256),
  parcel: z.object({ sha256: sha256Hex, bytes: z.int().min(1) }),
  /** When it was stored its customer waited for the upstream's own answer. */
  awaited: z.literal(true).optional(),
  /** Both by the edge's clock. */
  receivedAt: timeMs,
  expiresAt: timeMs,
});
export type Webhook = z.infer<typeof webhook>;

/** Orchestrator → edge: what became of an attempt to deliver a stored request. */
export const receiptReport = z.object({
  type: z.literal('receipt'),
  receiptId,
  at: timeMs,
  /** `retrying`: it failed, and is tried again. The others are the end. */
  state: z.enum(['retrying', 'delivered', 'dead', 'expired']),
  attempts: z.int().min(0),
  /** Of the upstream's last answer, if there was one. */
  status: z.int().optional(),
  error: z.string().max(500).optional(),
});
export type ReceiptReport = z.infer<typeof receiptReport>;

/** Body schemas of durable entries by their type, per receiving side. */
export const ENTRIES_TO_ORCHESTRATOR = {
  deploy_worker: deployWorker,
  rollback_worker: rollbackWorker,
  adopt_worker: adoptWorker,
  update_config: updateConfig,
  cancel_command: cancelCommand,
  remove_site: removeSite,
  row_changed: rowChanged,
  dead_letter_action: deadLetterAction,
  withdrawn,
  webhook,
} as const;

export const ENTRIES_TO_EDGE = {
  command_progress: commandProgress,
  command_result: commandResult,
  sync_event: syncEvent,
  dead_letter: deadLetterReport,
  receipt: receiptReport,
} as const;

export type EntryToOrchestrator = z.infer<
  (typeof ENTRIES_TO_ORCHESTRATOR)[keyof typeof ENTRIES_TO_ORCHESTRATOR]
>;
export type EntryToEdge = z.infer<(typeof ENTRIES_TO_EDGE)[keyof typeof ENTRIES_TO_EDGE]>;

/**
 * Both: one durable entry. The envelope is checked on receipt like every frame; the body stays text until it
 * is handled, because an entry that its receiver cannot read must still move the position (PROTOCOL L6).
 */
export const entry = z.object({
  type: z.literal('entry'),
  log: logName,
  seq: seq.min(1),
  at: timeMs,
  body: z.string().max(65_536),
});
export type Entry = z.infer<typeof entry>;
