/** An organisation of the test's own, and what its people do with its sites. */
import type { Problem, Site } from '@clawdbot/protocol';
import { beforeEach } from 'vitest';
import { fresh, Tenant } from '../edge.fixture.ts';

export let tenant: Tenant;
/** Its only orchestrator. */
export let vps = '';

/** Each test of the file that says so has an organisation of its own. */
export function ownTenant(): void {
  beforeEach(async () => {
    vps = fresh('vps');
    tenant = await Tenant.create(vps);
  });
}

export const create = (body: object, role: 'admin' | 'member' = 'admin') =>
  tenant.call('POST', '/sites', { body, role });
export const made = async (body: object) => (await create(body)).json<Site>();

/** @returns the status and code of a problem */
export const refused = async (response: Response): Promise<[number, string]> => {
  const { code } = await response.json<Problem>();
  return [response.status, code];
};

/** @returns one page */
export const list = async (query = '', of = tenant) => {
  const page = await (await of.call('GET', `/sites${query}`, { role: 'viewer' })).json<{
    items: Site[];
    next: string | null;
  }>();
  return { ids: page.items.map(({ id }) => id), next: page.next };
};
