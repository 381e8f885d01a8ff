import { Failure, orchestratorOfCommand } from '@clawdbot/protocol';
import type { cancelCommandRoute, getCommandRoute, listCommandsRoute } from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import * as commands from '../data/commands.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { holderOf } from './holder.ts';

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

const channelOfCommand = (c: ApiContext, id: string) =>
  holderOf(c, orchestratorOfCommand(id), new Failure('not_found', `no command "${id}" in this organisation`));
