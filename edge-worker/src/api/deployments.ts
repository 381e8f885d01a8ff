import type { listDeploymentsRoute } from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiHandler } from './env.ts';
import { ownSite } from './own-site.ts';
import { inTurn, parsePlace, whomToAsk } from './places.ts';

/** Objects asked for one page, one after the other. */
const ORCHESTRATORS_PER_PAGE = 50;
const WITHIN = /^cmd_[\w-]{1,100}$/;

/** From the objects, which alone know how far a rollout is. */
export const listDeployments: ApiHandler<typeof listDeploymentsRoute> = async (c) => {
  const { after, orchestrator, limit, ...query } = c.req.valid('query');
  const { services } = c.env;
  const place = after === undefined ? undefined : parsePlace(after, WITHIN);
  const only = query.site === undefined ? orchestrator : (await ownSite(c, query.site)).orchestratorId;
  const orchestrators = new Orchestrators(services.db, c.var.user.org_id);
  const asked = await whomToAsk(orchestrators, { place, only, perPage: ORCHESTRATORS_PER_PAGE });
  const page = await inTurn(asked, limit, ({ orchestratorId, within }, left) =>
    ask(services.channel(orchestratorId, CONTROL_LANE).deployments({ ...query, limit: left, after: within })),
  );
  return c.json(page, 200);
};
