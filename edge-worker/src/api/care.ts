import { Failure } from '@clawdbot/protocol';
import { reach } from '../ask.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { Sites } from '../data/sites.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext } from './env.ts';

/** Objects asked at once: each answers with all that its orchestrator has told of itself. */
const AT_ONCE = 10;

/**
 * Two orchestrators would each look after a Worker as the other one's drift. An orchestrator knows its own only, so this
 * asks all the others of the organisation what they have told last.
 * Throws `Failure('conflict')`, which names who has it.
 */
export async function refuseCaredFor(c: ApiContext, name: string, here: string): Promise<void> {
  const orchestrators = new Orchestrators(c.env.services.db, c.var.user.org_id);
  let after: string | undefined;
  do {
    const { items, next } = await orchestrators.list(AT_ONCE, after);
    const others = items.map(({ id }) => id).filter((id) => id !== here);
    await Promise.all(others.map((id) => refuseAt(c, id, name)));
    after = next ?? undefined;
  } while (after !== undefined);
}

async function refuseAt(c: ApiContext, orchestratorId: string, name: string): Promise<void> {
  const { status } = await reach(c.env.services.channel(orchestratorId, CONTROL_LANE).describe());
  const siteId = status?.workers.find(
    (worker) => worker.name === name && worker.state === 'deployed',
  )?.siteId;
  if (siteId === undefined || !(await isOn(c, siteId, orchestratorId))) return;
  throw new Failure(
    'conflict',
    `the Worker ${name} is the site ${siteId}'s, on ${orchestratorId}, which looks after it: move that site, or choose another Worker`,
  );
}

/** One that is away may not know yet that its site was moved or deleted. */
async function isOn(c: ApiContext, siteId: string, orchestratorId: string): Promise<boolean> {
  const site = await new Sites(c.env.services.db, c.var.user.org_id).find(siteId);
  return site?.orchestratorId === orchestratorId;
}
