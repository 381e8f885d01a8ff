import { Failure } from '@clawdbot/protocol';
import type { ChannelRpc } from '../channel/rpc.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext } from './env.ts';

/**
 * The object of the orchestrator that an id names: that it is the caller's own is D1's to say.
 * @param orchestratorId as the id says; undefined: it is no such id
 * @param unknown what the caller is told of an id that is not his: that there is none
 */
export async function holderOf(
  c: ApiContext,
  orchestratorId: string | undefined,
  unknown: Failure,
): Promise<ChannelRpc> {
  const { services } = c.env;
  if (orchestratorId === undefined) throw unknown;
  try {
    await new Orchestrators(services.db, c.var.user.org_id).get(orchestratorId);
  } catch (thrown) {
    throw thrown instanceof Failure && thrown.code === 'not_found' ? unknown : thrown;
  }
  return services.channel(orchestratorId, CONTROL_LANE);
}
