import { env } from 'cloudflare:workers';
import type { Failure, Site } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { fresh, Tenant } from '../edge.fixture.ts';
import { Orchestrators } from './orchestrators.ts';
import { Sites } from './sites.ts';

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (failure: Failure) => failure.code,
  );

it('of two who take a site id or a host name at the same moment, one gets conflict and has written nothing', async () => {
  const orchestratorId = fresh('vps');
  const { orgId } = await Tenant.create(orchestratorId);
  const sites = new Sites(env.DB, orgId);
  const site = (hostnames: string[]): Site => ({
    id: fresh('shop'),
    orgId,
    orchestratorId,
    name: 'Shop',
    labels: {},
    hostnames,
    paused: false,
    createdAt: 1,
  });
  const first = site([`${fresh('a')}.example.net`]);
  await sites.create(first);
  expect(await codeOf(sites.create({ ...first, name: 'another' }))).toBe('conflict');
  const second = site([`${fresh('b')}.example.net`, ...first.hostnames]);
  expect(await codeOf(sites.create(second))).toBe('conflict');
  expect(await codeOf(sites.get(second.id))).toBe('not_found');
});

it('a database that fails is storage_failed, not a bug of ours', async () => {
  const broken = { prepare: () => ({ bind: () => ({ all: () => Promise.reject(new Error('D1_ERROR')) }) }) };
  const orchestrators = new Orchestrators(broken as unknown as D1Database, 'org');
  expect(await codeOf(orchestrators.list(1))).toBe('storage_failed');
});
