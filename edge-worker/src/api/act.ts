import {
  CONTROL_LANE,
  type Json,
  type OrchestratorRequest,
  type OrchestratorResponse,
  type StatusReport,
  type UserClaims,
} from '@clawdbot/protocol';
import type { actRoute } from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import type { Taken } from '../channel/rpc.ts';
import type { SiteEntry } from '../data/directory.ts';
import { keepDeadline } from '../relay/call.ts';
import { Carriage } from '../relay/carriage.ts';
import { refuseCaredFor } from './care.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { ownSite } from './own-site.ts';

/** A live status is worth less than a quick "it does not answer". */
const STATUS_DEADLINE_MS = 10_000;

/** `POST /api/v1/orchestrator`: what an operator asks of a site's orchestrator. */
export const act: ApiHandler<typeof actRoute> = async (c) => {
  const request = c.req.valid('json');
  const { user } = c.var;
  requireRole(request, user);
  const { services } = c.env;
  const site = await ownSite(c, request.siteId);
  const channel = services.channel(site.orchestratorId, CONTROL_LANE);
  const submission = {
    siteId: site.siteId,
    actor: user.sub,
    ...optionalKey(c.req.valid('header')['idempotency-key']),
  };
  switch (request.action) {
    case 'get_status':
      return c.json(success(c, await liveStatus(c, site)), 200);
    case 'deploy_worker':
      return c.json(success(c, await ask(channel.deploy({ ...submission, payload: request.payload }))), 202);
    case 'rollback_worker':
      return c.json(
        success(c, await ask(channel.rollback({ ...submission, payload: request.payload }))),
        202,
      );
    case 'adopt_worker':
      await refuseCaredFor(c, request.payload.name, site.orchestratorId);
      return c.json(success(c, await ask(channel.adopt({ ...submission, payload: request.payload }))), 202);
    case 'update_config': {
      const taken = await ask(channel.updateConfig({ ...submission, payload: request.payload }));
      return c.json(success(c, taken), taken.unchanged === true ? 200 : 202);
    }
  }
};

function requireRole({ action }: OrchestratorRequest, user: UserClaims): void {
  if (action !== 'get_status') requireAdmin(user);
}

const optionalKey = (idempotencyKey: string | undefined) =>
  idempotencyKey === undefined ? {} : { idempotencyKey };

function success(c: ApiContext, data: Taken | StatusReport): OrchestratorResponse {
  // Both are plain JSON; their optional members are what TypeScript does not take for an index signature.
  return { success: true, data: data as Json, timestamp: new Date(c.env.services.now()).toISOString() };
}

function liveStatus(c: ApiContext, site: SiteEntry) {
  const { services, requestId } = c.env;
  const carriage = new Carriage(site, services);
  const call = { requestId, siteId: site.siteId, deadlineMs: STATUS_DEADLINE_MS };
  return keepDeadline({
    ...call,
    channel: carriage,
    signal: c.req.raw.signal,
    background: services.background,
    open: () => carriage.getStatus(call),
  });
}
