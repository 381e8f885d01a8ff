import * as routes from '@clawdbot/protocol/routes';
import { OpenAPIHono } from '@hono/zod-openapi';
import { VERSION } from '../version.ts';
import { act } from './act.ts';
import { cancelCommand, getCommand, listCommands } from './commands.ts';
import * as configs from './configs.ts';
import * as deadLetters from './deadletters.ts';
import { listDeployments } from './deployments.ts';
import type { ApiApp, ApiEnv } from './env.ts';
import { listEvents } from './events.ts';
import { limitedBody, limitedForAct, ownPages, refuseInvalid, signedIn } from './gate.ts';
import { importSites } from './import-sites.ts';
import * as moves from './moves.ts';
import {
  getOrchestrator,
  listKeys,
  listOrchestrators,
  releaseOrchestrator,
  revokeKey,
} from './orchestrators.ts';
import { getPublicConfig } from './public-config.ts';
import * as receipts from './receipts.ts';
import { deleteSecret, listSecrets, putSecret } from './secrets.ts';
import { toItself } from './self.ts';
import { createSession, deleteSession, getSession } from './session.ts';
import * as sites from './sites.ts';
import { nudgeSync } from './sync.ts';

/** The HTTP API below `/api/v1`. */
export function apiApp(): ApiApp {
  const api = new OpenAPIHono<ApiEnv>({ defaultHook: refuseInvalid });
  describeItself(api);

  api.use(ownPages);
  api.openapi(routes.getPublicConfigRoute, getPublicConfig);
  // Nobody is signed in yet, or any more.
  api.on('POST', '/session', limitedBody);
  api.openapi(routes.createSessionRoute, createSession);
  api.openapi(routes.deleteSessionRoute, deleteSession);

  api.use(signedIn);
  api.openapi(routes.getSessionRoute, getSession);
  api.use('/orchestrator', limitedForAct);
  api.openapi(routes.actRoute, act);
  api.all('/orchestrator/*', toItself);

  api.use(limitedBody);
  api.openapi(routes.listCommandsRoute, listCommands);
  api.openapi(routes.getCommandRoute, getCommand);
  api.openapi(routes.cancelCommandRoute, cancelCommand);

  api.openapi(routes.listDeploymentsRoute, listDeployments);

  api.openapi(routes.listOrchestratorsRoute, listOrchestrators);
  api.openapi(routes.getOrchestratorRoute, getOrchestrator);
  api.openapi(routes.releaseOrchestratorRoute, releaseOrchestrator);
  api.openapi(routes.listKeysRoute, listKeys);
  api.openapi(routes.revokeKeyRoute, revokeKey);
  api.openapi(routes.evacuateRoute, moves.evacuate);

  api.openapi(routes.listDeadLettersRoute, deadLetters.listDeadLetters);
  api.openapi(routes.getDeadLetterRoute, deadLetters.getDeadLetter);
  api.openapi(routes.replayDeadLetterRoute, deadLetters.replayDeadLetter);
  api.openapi(routes.dropDeadLetterRoute, deadLetters.dropDeadLetter);

  api.openapi(routes.listReceiptsRoute, receipts.listReceipts);
  // Before what has an id in this place.
  api.openapi(routes.eraseReceiptsRoute, receipts.eraseReceipts);
  api.openapi(routes.getReceiptRoute, receipts.getReceipt);
  api.openapi(routes.redeliverReceiptRoute, receipts.redeliverReceipt);
  api.openapi(routes.eraseReceiptRoute, receipts.eraseReceipt);

  api.openapi(routes.listEventsRoute, listEvents);
  api.openapi(routes.nudgeSyncRoute, nudgeSync);

  api.openapi(routes.createSiteRoute, sites.createSite);
  api.openapi(routes.importSitesRoute, importSites);
  api.openapi(routes.listSitesRoute, sites.listSites);
  api.openapi(routes.getSiteRoute, sites.getSite);
  api.openapi(routes.patchSiteRoute, sites.patchSite);
  api.openapi(routes.pauseSiteRoute, sites.pauseSite);
  api.openapi(routes.resumeSiteRoute, sites.resumeSite);
  api.openapi(routes.deleteSiteRoute, sites.deleteSite);
  api.openapi(routes.getSiteQueuedRoute, sites.getSiteQueued);

  api.openapi(routes.getSiteConfigRoute, configs.getSiteConfig);
  api.openapi(routes.listConfigHistoryRoute, configs.listConfigHistory);
  api.openapi(routes.getConfigGenerationRoute, configs.getConfigGeneration);

  api.openapi(routes.moveSiteRoute, moves.moveSite);
  api.openapi(routes.listMovesRoute, moves.listMoves);
  api.openapi(routes.getMoveRoute, moves.getMove);
  api.openapi(routes.cancelMoveRoute, moves.cancelMove);

  api.openapi(routes.putSecretRoute, putSecret);
  api.openapi(routes.listSecretsRoute, listSecrets);
  api.openapi(routes.deleteSecretRoute, deleteSecret);
  return api;
}

/** `GET /api/v1/openapi.json`: open to all, made from the routes when asked for. */
function describeItself(api: ApiApp): void {
  api.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
  });
  api.get('/openapi.json', (c) =>
    c.json(
      api.getOpenAPI31Document({
        openapi: '3.1.0',
        info: { title: 'Clawdbot Orchestrator', version: VERSION },
        servers: [{ url: routes.API_PREFIX }],
      }),
    ),
  );
}
