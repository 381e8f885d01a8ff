import type { deleteSecretRoute, listSecretsRoute, putSecretRoute } from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import type { ApiHandler } from './env.ts';
import { ownChannel } from './own-site.ts';

export const putSecret: ApiHandler<typeof putSecretRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id: siteId, name } = c.req.valid('param');
  const { value } = c.req.valid('json');
  const holder = await ownChannel(c, siteId);
  const isNew = await ask(holder.putSecret({ siteId, name, value, actor: c.var.user.sub }));
  return c.body(null, isNew ? 201 : 204);
};

export const listSecrets: ApiHandler<typeof listSecretsRoute> = async (c) => {
  const { id } = c.req.valid('param');
  return c.json({ items: await ask((await ownChannel(c, id)).secrets(id)), next: null }, 200);
};

export const deleteSecret: ApiHandler<typeof deleteSecretRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { id, name } = c.req.valid('param');
  await ask((await ownChannel(c, id)).deleteSecret(id, name));
  return c.body(null, 204);
};
