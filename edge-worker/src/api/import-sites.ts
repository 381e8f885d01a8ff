import { Failure, type ImportedSites, siteId } from '@clawdbot/protocol';
import type { importSitesRoute } from '@clawdbot/protocol/routes';
import { requireAdmin } from '../auth/user.ts';
import { type Customer, listCustomers } from '../data/customers.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { Sites } from '../data/sites.ts';
import type { ApiContext, ApiHandler } from './env.ts';
import { make } from './sites.ts';

/** Sites made for one request: each is asked of its object and written to D1. */
const PER_PAGE = 50;
const NAME_CHARS_MAX = 200;

/**
 * Customers of the existing API become sites under their own ids, labelled with them, paused if they are not active.
 * Their websites are not made host names: those lead to the customer's own server. Safe to repeat.
 */
export const importSites: ApiHandler<typeof importSitesRoute> = async (c) => {
  requireAdmin(c.var.user);
  const asked = c.req.valid('json');
  const { db } = c.env.services;
  const orchestrators = new Orchestrators(db, c.var.user.org_id);
  const { id: orchestratorId } = await orchestrators.choose(asked.orchestratorId, 'orchestratorId');
  const { customers: ids, after } = asked;
  const page = { ids, limit: PER_PAGE + 1, ...(after === undefined ? {} : { after }) };
  const found = await listCustomers(db, c.var.user.org_id, page);
  const unknown = (ids ?? []).filter((id) => !found.some((customer) => customer.id === id));
  const done: ImportedSites = {
    imported: [],
    skipped: unknown.map((customerId) => ({ customerId, reason: 'no such customer in this organisation' })),
    next: found.length > PER_PAGE ? (found[PER_PAGE - 1]?.id ?? null) : null,
  };
  for (const customer of found.slice(0, PER_PAGE)) await importOne(c, customer, orchestratorId, done);
  return c.json(done, 200);
};

async function importOne(
  c: ApiContext,
  { id: customerId, name, status }: Customer,
  orchestratorId: string,
  { imported, skipped }: ImportedSites,
): Promise<void> {
  const id = siteId.safeParse(customerId);
  if (!id.success) {
    skipped.push({ customerId, reason: `it is no site id: ${id.error.issues[0]?.message}` });
    return;
  }
  const own = name.trim().slice(0, NAME_CHARS_MAX) || customerId;
  const site = { id: id.data, name: own, labels: { customer: customerId }, paused: status !== 'active' };
  try {
    imported.push(await make(c, { ...site, orchestratorId }));
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'conflict') throw error;
    const isOwn = await new Sites(c.env.services.db, c.var.user.org_id).get(id.data).then(
      () => true,
      () => false,
    );
    skipped.push({ customerId, reason: isOwn ? 'it is a site already' : error.message });
  }
}
