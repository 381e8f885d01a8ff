import { z } from 'zod';
import { commandError, commandState, commandType, deployReceipts } from '../commands/index.ts';
import { syncEventBody } from '../frames/entries.ts';
import { logName } from '../frames/session.ts';
import { status } from '../frames/status.ts';
import { eventId, orchestratorId, orgId, receiptId, siteId, timeMs } from '../ids.ts';
import { json } from '../json.ts';

/** `GET /api/v1/commands/:id`. */
export const command = z.object({
  id: z.string(),
  type: commandType,
  /** What it is about: a Worker's name, or "generation 7"; '' where the edge had not kept it yet. */
  subject: z.string().default(''),
  siteId,
  orchestratorId,
  state: commandState,
  /** Why it is in this state, where nobody failed: a failure's reason is in `error`. */
  reason: z.string().optional(),
  result: json.optional(),
  error: commandError.optional(),
  createdAt: timeMs,
  expiresAt: timeMs.optional(),
  createdBy: z.string(),
  history: z.array(z.object({ state: commandState, at: timeMs, reason: z.string().optional() })),
  milestones: z.array(z.object({ milestone: z.string(), at: timeMs, detail: z.string().optional() })),
});
export type Command = z.infer<typeof command>;

/** What a list shows of a command. */
export const commandSummary = command.omit({ history: true, milestones: true, result: true }).extend({
  updatedAt: timeMs,
});
export type CommandSummary = z.infer<typeof commandSummary>;

/** `GET /api/v1/deployments`: a deployment, a rollback or an adoption, and the latest that its orchestrator has told of it. */
export const deployment = z.object({
  commandId: z.string(),
  type: commandType.exclude(['update_config']),
  name: z.string(),
  siteId,
  orchestratorId,
  state: commandState,
  /** Why it is in this state, where nobody failed. */
  reason: z.string().optional(),
  error: z.string().optional(),
  /** The percentage of the traffic that a rollout has given the version. */
  percentage: z.number().optional(),
  versionId: z.string().optional(),
  deploymentId: z.string().optional(),
  url: z.string().optional(),
  proof: z.enum(['observed', 'reachable', 'accepted']).optional(),
  receipts: deployReceipts.optional(),
  /** Absent, as `createdBy`, of one that was given on the VPS itself. */
  createdAt: timeMs.optional(),
  createdBy: z.string().optional(),
  updatedAt: timeMs,
});
export type Deployment = z.infer<typeof deployment>;

/**
 * Whether an orchestrator can be reached, since when and why. `never` has not connected yet; `refused` was
 * told not to come back and will not dial.
 */
export const presence = z.object({
  state: z.enum(['online', 'draining', 'away', 'never']),
  since: timeMs.optional(),
  reason: z.string().optional(),
});
export type Presence = z.infer<typeof presence>;

/** What waits at the edge: entries for the orchestrator by log, entries of its that are not handled, dead letters. */
export const edgeQueues = z.object({
  control: z.int().min(0),
  queue: z.int().min(0),
  inbox: z.int().min(0),
  deadLetters: z.int().min(0),
  /** Customers' stored requests that were given up: `GET /receipts?state=dead`. */
  deadReceipts: z.int().min(0),
  /** Facts that D1 does not show yet. */
  unprojected: z.int().min(0),
});
export type EdgeQueues = z.infer<typeof edgeQueues>;

/** `GET /api/v1/orchestrators/:id`. */
export const orchestrator = z.object({
  id: orchestratorId,
  orgId,
  presence,
  fence: z.int(),
  generation: z.int(),
  instanceId: z.string().optional(),
  version: z.string().optional(),
  lanes: z.int(),
  queues: edgeQueues,
  /** The last time the two did not know the same, and what was done about it. */
  lastResync: z.object({ at: timeMs, reason: z.string(), unrecoverable: z.int() }).optional(),
  /** The last known status; ask `get_status` for a live one. */
  status: status.omit({ type: true }).optional(),
  /** Times the object was woken by a message or a call, ever: an idle channel adds none. */
  wakes: z.int(),
  /** Frames of a type that this edge does not know. */
  unknownFrames: z.int(),
});
export type Orchestrator = z.infer<typeof orchestrator>;

/** `GET /api/v1/orchestrators/:id/keys`. */
export const orchestratorKey = z.object({
  kid: z.string(),
  state: z.enum(['active', 'candidate', 'revoked']),
  createdAt: timeMs,
  revokedAt: timeMs.optional(),
  /** Absent, as `revokedAt`, of one that was revoked in the database by hand. */
  revokedBy: z.string().optional(),
  /** When the objects of all lanes had ended its sockets; until then they are told each minute. */
  cutAt: timeMs.optional(),
});
export type OrchestratorKey = z.infer<typeof orchestratorKey>;

export const orchestratorSummary = z.object({ id: orchestratorId, lanes: z.int(), createdAt: timeMs });

const eventFields = {
  id: eventId,
  orchestratorId,
  /** When the edge took it, in milliseconds; `createdAt` is the VPS's clock. */
  receivedAt: timeMs,
};
/** An event as lists and dashboards show it: the existing stack's shape, and where it came from. */
export const event = z.intersection(syncEventBody, z.object(eventFields));
export type Event = z.infer<typeof event>;

/** Names a dead letter: `dl_<orchestrator>_<edge|orchestrator>_<log>_<logId>_<seq>`. */
export const deadLetterId = z
  .string()
  .regex(
    /^dl_[a-z0-9-]{1,63}_(edge|orchestrator)_(control|queue)_[\w-]{8,64}_\d{1,15}$/,
    'expected a dead letter’s id, as the list shows it',
  );

/** An entry that its receiver could not handle. Kept until an operator replays or drops it. */
export const deadLetter = z.object({
  id: deadLetterId,
  orchestratorId,
  /** Where it lies: which side could not handle it. */
  side: z.enum(['edge', 'orchestrator']),
  log: logName,
  seq: z.int(),
  /** When it died. */
  at: timeMs,
  attempts: z.int(),
  error: z.string(),
  /** `replaying`, `dropping`: asked for, and the orchestrator has not answered yet. */
  state: z.enum(['dead', 'replaying', 'dropping']),
  /** The entry's type, when its body could be read that far. */
  entryType: z.string().optional(),
});
export type DeadLetter = z.infer<typeof deadLetter>;
/** With the entry's body as it came, when this edge still has it. */
export const deadLetterDetail = deadLetter.extend({ body: z.string().optional() });
export type DeadLetterDetail = z.infer<typeof deadLetterDetail>;

/** `erased`: the receipt is a tombstone, and nothing of what the customer sent is left. */
export const receiptState = z.enum(['stored', 'on_vps', 'delivered', 'dead', 'expired', 'erased']);
export type ReceiptState = z.infer<typeof receiptState>;

/** What the customer of a stored request is told. */
export const receiptTicket = z.object({ receiptId, state: receiptState });

/** `GET /api/v1/receipts/:id`. */
export const receipt = z.object({
  id: receiptId,
  siteId,
  /** The path of the route that took it. */
  route: z.string(),
  state: receiptState,
  /** To deliver it, since it was stored or was last asked for again. */
  attempts: z.int(),
  lastError: z.string().optional(),
  /** Of the upstream's last answer. */
  status: z.int().optional(),
  bytes: z.int(),
  receivedAt: timeMs,
  expiresAt: timeMs,
  /** Until when what was stored is kept, to be delivered again; absent while it is not final, or when it is gone. */
  keptUntil: timeMs.optional(),
  history: z.array(z.object({ state: receiptState, at: timeMs, reason: z.string().optional() })),
});
export type Receipt = z.infer<typeof receipt>;
/** With what the customer sent, as long as it is kept. */
export const receiptDetail = receipt.extend({
  request: z.object({ method: z.string(), url: z.string(), bodyBytes: z.int() }).optional(),
});
export type ReceiptDetail = z.infer<typeof receiptDetail>;

/**
 * `POST /api/v1/receipts/erase`: all of a site, or those in which `value` stands. As a list it goes on at `after`
 * until `next` is null, since each is looked into.
 */
export const eraseReceipts = z.strictObject({
  site: siteId,
  value: z.string().min(3).max(500).optional(),
  after: z.string().max(500).optional(),
});
export type EraseReceipts = z.infer<typeof eraseReceipts>;
export const erasedReceipts = z.object({ erased: z.int(), next: z.string().nullable() });

/** `POST /api/v1/session`: a JWT, for a cookie of the same life. */
export const createSession = z.strictObject({ token: z.string().min(1).max(8_192) });
/** `GET /api/v1/session`: who is signed in. */
export const session = z.object({
  sub: z.string(),
  orgId,
  role: z.string(),
  /** When it ends. */
  expiresAt: timeMs,
});
export type SessionInfo = z.infer<typeof session>;

const labels = z
  .record(z.string().regex(/^[a-z0-9][a-z0-9._/-]{0,62}$/, 'expected a label name'), z.string().max(200))
  .refine((all) => Object.keys(all).length <= 50, { error: 'expected at most 50 labels' });

/** RFC 1123 host name, lower case, with a dot: a bare name could shadow the console or the relay. */
const hostname = z
  .string()
  .max(253)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'expected a host name: lower case, with a dot, without scheme or port',
  );
const hostnames = z.array(hostname).max(50);

/** `GET /api/v1/sites/:id`. */
export const site = z.object({
  id: siteId,
  orgId,
  orchestratorId,
  name: z.string(),
  labels,
  hostnames,
  paused: z.boolean(),
  /** The orchestrator to which it is being moved. */
  movingTo: orchestratorId.optional(),
  createdAt: timeMs,
});
export type Site = z.infer<typeof site>;

/** `POST /api/v1/sites`. The orchestrator may be left out when the organisation has one only. */
export const createSite = z.strictObject({
  id: siteId,
  name: z.string().min(1).max(200).optional(),
  orchestratorId: orchestratorId.optional(),
  labels: labels.optional(),
  hostnames: hostnames.optional(),
});
export type CreateSite = z.infer<typeof createSite>;

/** `PATCH /api/v1/sites/:id`: what is given replaces what was; labels and hostnames as a whole. */
export const patchSite = z.strictObject({
  name: z.string().min(1).max(200).optional(),
  labels: labels.optional(),
  hostnames: hostnames.optional(),
  paused: z.boolean().optional(),
});
export type PatchSite = z.infer<typeof patchSite>;

/** `?after=<next>&limit=` of every list. */
export const listQuery = z.object({
  after: z.string().max(500).optional(),
  limit: z.coerce.number<string>().int().min(1).max(200).default(50),
});

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().nullable() });
