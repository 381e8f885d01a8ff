import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { commandState, commandType, workerName } from '../commands.ts';
import { commandId, moveId, orchestratorId, receiptId, secretName, siteId, timeMs } from '../ids.ts';
import { CONFIG_HISTORY_MAX } from '../limits.ts';
import { publicConfig } from '../site/config.ts';
import { configGeneration, configGenerationDetail, siteConfigState } from './configs.ts';
import { evacuation, moveTo, siteMove } from './moves.ts';
import { idempotencyKey, orchestratorRequest, orchestratorResponse } from './orchestrator.ts';
import { problem } from './problem.ts';
import {
  command,
  commandSummary,
  createSession,
  createSite,
  deadLetter,
  deadLetterDetail,
  deadLetterId,
  deployment,
  erasedReceipts,
  eraseReceipts,
  event,
  listOf,
  listQuery,
  orchestrator,
  orchestratorSummary,
  patchSite,
  receipt,
  receiptDetail,
  receiptState,
  session,
  site,
} from './resources.ts';
import { putSecret, secretSummary } from './secrets.ts';
import { deletedSite, deleteSiteQuery, importedSites, importSites, siteQueued } from './sites.ts';

/**
 * The HTTP API's routes, which edge, CLI and dashboard share. A door of its own (`@clawdbot/protocol/routes`):
 * who only speaks frames need not load the OpenAPI library.
 */

/** The prefix of every route; paths below are relative to it. */
export const API_PREFIX = '/api/v1';

const security: Record<string, string[]>[] = [{ bearer: [] }];

const jsonOf = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } });
const answer = <T extends z.ZodType>(schema: T, description: string) => ({
  content: jsonOf(schema),
  description,
});
const refused = { content: { 'application/problem+json': { schema: problem } }, description: 'A problem' };
const bodyOf = <T extends z.ZodType>(schema: T) => ({ content: jsonOf(schema), required: true });

/** What an operator asks of a site's orchestrator; every answer, errors too, in the same envelope. */
export const actRoute = createRoute({
  method: 'post',
  path: '/orchestrator',
  security,
  request: {
    headers: z.object({ 'idempotency-key': idempotencyKey.optional() }),
    body: bodyOf(orchestratorRequest),
  },
  responses: {
    200: answer(
      orchestratorResponse,
      'get_status: the orchestrator as it is now; an update_config that changes nothing: data.unchanged, and in data.generation the one there is',
    ),
    202: answer(orchestratorResponse, 'Any other action: taken; follow data.commandId'),
    default: answer(orchestratorResponse, 'Why it was refused, in error'),
  },
});

const commandParams = z.object({ id: commandId });
const commandFilter = listQuery
  .extend({ site: siteId.optional(), state: commandState.optional(), type: commandType.optional() })
  .strict();
export type CommandFilter = z.infer<typeof commandFilter>;

const eventFilter = listQuery
  .extend({
    site: siteId.optional(),
    type: z.enum(['worker_deployment', 'config_change', 'health_check']).optional(),
    order: z.enum(['asc', 'desc']).default('desc'),
  })
  .strict();
export type EventFilter = z.infer<typeof eventFilter>;

const deadLetterFilter = listQuery.extend({ orchestrator: orchestratorId.optional() }).strict();
export type DeadLetterFilter = z.infer<typeof deadLetterFilter>;

export const listCommandsRoute = createRoute({
  method: 'get',
  path: '/commands',
  security,
  request: { query: commandFilter },
  responses: { 200: answer(listOf(commandSummary), 'Newest first'), default: refused },
});

export const getCommandRoute = createRoute({
  method: 'get',
  path: '/commands/{id}',
  security,
  request: { params: commandParams },
  responses: { 200: answer(command, 'The command with its history'), default: refused },
});

export const cancelCommandRoute = createRoute({
  method: 'post',
  path: '/commands/{id}/cancel',
  security,
  request: { params: commandParams },
  responses: { 200: answer(command, 'The command as it is now'), default: refused },
});

const deploymentFilter = listQuery
  .extend({
    site: siteId.optional(),
    name: workerName.optional(),
    orchestrator: orchestratorId.optional(),
  })
  .strict();
export type DeploymentFilter = z.infer<typeof deploymentFilter>;

export const listDeploymentsRoute = createRoute({
  method: 'get',
  path: '/deployments',
  description:
    'By orchestrator, newest first: deployments, rollbacks and adoptions of Workers, with their receipts.',
  security,
  request: { query: deploymentFilter },
  responses: { 200: answer(listOf(deployment), 'Deployments'), default: refused },
});

export const listOrchestratorsRoute = createRoute({
  method: 'get',
  path: '/orchestrators',
  security,
  request: { query: listQuery.strict() },
  responses: { 200: answer(listOf(orchestratorSummary), 'By id'), default: refused },
});

export const getOrchestratorRoute = createRoute({
  method: 'get',
  path: '/orchestrators/{id}',
  security,
  request: { params: z.object({ id: orchestratorId }) },
  responses: { 200: answer(orchestrator, 'What the edge knows of it'), default: refused },
});

export const releaseOrchestratorRoute = createRoute({
  method: 'post',
  path: '/orchestrators/{id}/release',
  description:
    'Forgets the newest process: its database was lost, and one with an empty database may connect.',
  security,
  request: { params: z.object({ id: orchestratorId }) },
  responses: { 200: answer(orchestrator, 'What the edge knows of it'), default: refused },
});

export const listEventsRoute = createRoute({
  method: 'get',
  path: '/events',
  description:
    'Newest first. With order=asc oldest first, and `next` is never null: ask again with it for what has happened since.',
  security,
  request: { query: eventFilter },
  responses: { 200: answer(listOf(event), 'Events of the VPSes'), default: refused },
});

export const listDeadLettersRoute = createRoute({
  method: 'get',
  path: '/deadletters',
  security,
  request: { query: deadLetterFilter },
  responses: { 200: answer(listOf(deadLetter), 'By orchestrator, oldest first'), default: refused },
});

const deadLetterParams = z.object({ id: deadLetterId });

export const getDeadLetterRoute = createRoute({
  method: 'get',
  path: '/deadletters/{id}',
  security,
  request: { params: deadLetterParams },
  responses: { 200: answer(deadLetterDetail, 'The entry and why it failed'), default: refused },
});

export const replayDeadLetterRoute = createRoute({
  method: 'post',
  path: '/deadletters/{id}/replay',
  security,
  request: { params: deadLetterParams },
  responses: { 200: answer(deadLetter, 'It is tried again'), default: refused },
});

export const dropDeadLetterRoute = createRoute({
  method: 'post',
  path: '/deadletters/{id}/drop',
  security,
  request: { params: deadLetterParams },
  responses: { 200: answer(deadLetter, 'It is given up'), default: refused },
});

const time = z.coerce.number<string>().pipe(timeMs);
const receiptFilter = listQuery
  .extend({
    orchestrator: orchestratorId.optional(),
    site: siteId.optional(),
    state: receiptState.optional(),
    /** Received at or after this, and before that: milliseconds since the epoch. */
    from: time.optional(),
    to: time.optional(),
    /** The URL begins with this. */
    path: z.string().startsWith('/').max(500).optional(),
    /** Stands in the URL, a header or the body. */
    q: z.string().min(3).max(500).optional(),
  })
  .strict();
export type ReceiptFilter = z.infer<typeof receiptFilter>;

export const listReceiptsRoute = createRoute({
  method: 'get',
  path: '/receipts',
  description:
    'By orchestrator, newest first. With path or q each stored request is looked into, so that a page may hold few or none and yet have a `next`.',
  security,
  request: { query: receiptFilter },
  responses: { 200: answer(listOf(receipt), 'Receipts of stored requests'), default: refused },
});

const receiptParams = z.object({ id: receiptId });

export const getReceiptRoute = createRoute({
  method: 'get',
  path: '/receipts/{id}',
  security,
  request: { params: receiptParams },
  responses: { 200: answer(receiptDetail, 'The receipt with its history'), default: refused },
});

export const redeliverReceiptRoute = createRoute({
  method: 'post',
  path: '/receipts/{id}/redeliver',
  description: 'Delivers again what was delivered, is dead or has expired, with the same Idempotency-Key.',
  security,
  request: { params: receiptParams },
  responses: { 202: answer(receipt, 'It is stored again'), default: refused },
});

export const eraseReceiptRoute = createRoute({
  method: 'post',
  path: '/receipts/{id}/erase',
  description: 'Nothing of what the customer sent is left; the receipt stays as a tombstone.',
  security,
  request: { params: receiptParams },
  responses: { 200: answer(receipt, 'The tombstone'), default: refused },
});

export const eraseReceiptsRoute = createRoute({
  method: 'post',
  path: '/receipts/erase',
  security,
  request: { body: bodyOf(eraseReceipts) },
  responses: { 200: answer(erasedReceipts, 'How many, and where to go on'), default: refused },
});

/** Nobody is signed in yet when this is asked. */
export const createSessionRoute = createRoute({
  method: 'post',
  path: '/session',
  description: 'Turns a JWT into an HttpOnly, SameSite=Strict cookie of the same life.',
  request: { body: bodyOf(createSession) },
  responses: { 200: answer(session, 'Signed in'), default: refused },
});

export const getSessionRoute = createRoute({
  method: 'get',
  path: '/session',
  security,
  responses: { 200: answer(session, 'Who is signed in'), default: refused },
});

export const deleteSessionRoute = createRoute({
  method: 'delete',
  path: '/session',
  responses: { 204: { description: 'Signed out' }, default: refused },
});

export const nudgeSyncRoute = createRoute({
  method: 'post',
  path: '/sync',
  description:
    'Rows of the shared tables have changed: they go to the orchestrators at once instead of within a minute.',
  security,
  responses: { 202: { description: 'On their way' }, default: refused },
});

const siteParams = z.object({ id: siteId });

/** `?label=tier:gold`, repeatable: a site must have them all. */
const labelFilter = z.string().regex(/^[a-z0-9][a-z0-9._/-]{0,62}:.{0,200}$/s, 'expected name:value');
/** Each label is one bound parameter or two of the 100 that D1 takes. */
const LABEL_FILTERS_MAX = 10;
const siteFilter = listQuery
  .extend({ label: z.union([labelFilter, z.array(labelFilter).max(LABEL_FILTERS_MAX)]).optional() })
  .strict();
export type SiteFilter = z.infer<typeof siteFilter>;

export const createSiteRoute = createRoute({
  method: 'post',
  path: '/sites',
  security,
  request: { body: bodyOf(createSite) },
  responses: { 201: answer(site, 'The new site'), default: refused },
});

export const listSitesRoute = createRoute({
  method: 'get',
  path: '/sites',
  security,
  request: { query: siteFilter },
  responses: { 200: answer(listOf(site), 'By id'), default: refused },
});

export const getSiteRoute = createRoute({
  method: 'get',
  path: '/sites/{id}',
  security,
  request: { params: siteParams },
  responses: { 200: answer(site, 'The site'), default: refused },
});

export const patchSiteRoute = createRoute({
  method: 'patch',
  path: '/sites/{id}',
  security,
  request: { params: siteParams, body: bodyOf(patchSite) },
  responses: { 200: answer(site, 'The site as it is now'), default: refused },
});

export const pauseSiteRoute = createRoute({
  method: 'post',
  path: '/sites/{id}/pause',
  security,
  request: { params: siteParams },
  responses: { 200: answer(site, 'The site, paused: its customers get 503'), default: refused },
});

export const resumeSiteRoute = createRoute({
  method: 'post',
  path: '/sites/{id}/resume',
  security,
  request: { params: siteParams },
  responses: { 200: answer(site, 'The site, answering again'), default: refused },
});

export const deleteSiteRoute = createRoute({
  method: 'delete',
  path: '/sites/{id}',
  security,
  description: 'What is still queued for it is refused (409, with its numbers) without force.',
  request: { params: siteParams, query: deleteSiteQuery },
  responses: { 200: answer(deletedSite, 'Gone, and what has become of what was queued'), default: refused },
});

export const getSiteQueuedRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/queued',
  security,
  request: { params: siteParams },
  responses: { 200: answer(siteQueued, 'What is under way or kept for it'), default: refused },
});

export const importSitesRoute = createRoute({
  method: 'post',
  path: '/sites/import',
  description: 'Customers of the existing API become sites, which serve nothing until they are configured.',
  security,
  request: { body: bodyOf(importSites) },
  responses: { 200: answer(importedSites, 'What was made, and what was not and why'), default: refused },
});

export const getSiteConfigRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config',
  security,
  request: { params: siteParams },
  responses: { 200: answer(siteConfigState, 'What is desired, and what runs'), default: refused },
});

export const moveSiteRoute = createRoute({
  method: 'post',
  path: '/sites/{id}/move',
  description:
    'To another orchestrator of the organisation, live: nothing of it is lost, and its links go on working. Repeated, it is the same move.',
  security,
  request: { params: siteParams, body: bodyOf(moveTo) },
  responses: { 202: answer(siteMove, 'It has begun: follow it by its id'), default: refused },
});

export const evacuateRoute = createRoute({
  method: 'post',
  path: '/orchestrators/{id}/evacuate',
  description:
    'Moves all sites of an orchestrator, which may be gone for good, to another one: page by page, as `next` says.',
  security,
  request: {
    params: z.object({ id: orchestratorId }),
    query: listQuery.pick({ after: true }).strict(),
    body: bodyOf(moveTo),
  },
  responses: { 202: answer(evacuation, 'What has begun, and what has not and why'), default: refused },
});

const moveFilter = listQuery.extend({ site: siteId.optional() }).strict();
export type MoveFilter = z.infer<typeof moveFilter>;

export const listMovesRoute = createRoute({
  method: 'get',
  path: '/moves',
  security,
  request: { query: moveFilter },
  responses: { 200: answer(listOf(siteMove), 'Newest first, a moment late'), default: refused },
});

export const getMoveRoute = createRoute({
  method: 'get',
  path: '/moves/{id}',
  security,
  request: { params: z.object({ id: moveId }) },
  responses: { 200: answer(siteMove, 'The move as it is now'), default: refused },
});

export const cancelMoveRoute = createRoute({
  method: 'post',
  path: '/moves/{id}/cancel',
  description:
    'Takes the site back, as long as the new orchestrator’s object does not own it: nothing is lost, and what was held is sent on in order. Repeated, it changes nothing.',
  security,
  request: { params: z.object({ id: moveId }) },
  responses: { 202: answer(siteMove, 'The site is being taken back: follow the move'), default: refused },
});

export const listConfigHistoryRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config/history',
  description: `The last ${CONFIG_HISTORY_MAX} generations; what runs is kept beyond that.`,
  security,
  request: { params: siteParams, query: listQuery.strict() },
  responses: { 200: answer(listOf(configGeneration), 'Newest first'), default: refused },
});

export const getConfigGenerationRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config/history/{generation}',
  security,
  request: { params: siteParams.extend({ generation: z.coerce.number<string>().int().min(1) }) },
  responses: { 200: answer(configGenerationDetail, 'The generation with its config'), default: refused },
});

const secretParams = siteParams.extend({ name: secretName });

export const putSecretRoute = createRoute({
  method: 'put',
  path: '/sites/{id}/secrets/{name}',
  description: 'Admins only. The value is encrypted, and no answer of this API ever has it again.',
  security,
  request: { params: secretParams, body: bodyOf(putSecret) },
  responses: {
    201: { description: 'A new secret' },
    204: { description: 'The secret has another value now' },
    default: refused,
  },
});

export const listSecretsRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/secrets',
  security,
  request: { params: siteParams },
  responses: { 200: answer(listOf(secretSummary), 'All of them by name, never a value'), default: refused },
});

export const deleteSecretRoute = createRoute({
  method: 'delete',
  path: '/sites/{id}/secrets/{name}',
  security,
  request: { params: secretParams },
  responses: { 204: { description: 'Gone' }, default: refused },
});

export const getPublicConfigRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config/public',
  description:
    'Open to everyone, from every origin: the member `public` of the desired config, or {}. An edit is seen within 4 s.',
  request: { params: siteParams, headers: z.object({ 'if-none-match': z.string().optional() }) },
  responses: {
    200: answer(publicConfig, 'With a strong ETag'),
    304: { description: 'It is as If-None-Match says' },
    default: refused,
  },
});
