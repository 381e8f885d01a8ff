import { Failure, orchestratorOfCommand } from '@clawdbot/protocol';
import type { cancelCommandRoute, getCommandRoute, listCommandsRoute } from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import * as commands from '../data/commands.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';

/** Lists come from D1, which the objects write behind: a moment old, and there while an object is not. */
export const listCommands: ApiHandler<typeof listCommandsRoute> = async (c) =>
  c.json(await commands.listCommands(c.env.services.db, c.var.user.org_id, c.req.valid('query')), 200);

export const getCommand: ApiHandler<typeof getCommandRoute> = async (c) => {
  const { id } = c.req.valid('param');
  const channel = await channelOfCommand(c, id);
  return c.json(await ask(channel.command(id)), 200);
};

export const cancelCommand: ApiHandler<typeof cancelCommandRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id } = c.req.valid('param');
  const channel = await channelOfCommand(c, id);
  return c.json(await ask(channel.cancelCommand(id, c.var.user.sub)), 200);
};

/** The object that holds a command is named by its id; that it is the caller's own is D1's to say. */
async function channelOfCommand(c: ApiContext, id: string): Promise<ChannelRpc> {
  const { services } = c.env;
  const unknown = new Failure('not_found', `no command "${id}" in this organisation`);
  const orchestratorId = orchestratorOfCommand(id);
  if (orchestratorId === undefined) throw unknown;
  try {
    await new Orchestrators(services.db, c.var.user.org_id).get(orchestratorId);
  } catch (thrown) {
    throw thrown instanceof Failure && thrown.code === 'not_found' ? unknown : thrown;
  }
  return services.channel(orchestratorId, CONTROL_LANE);
}
