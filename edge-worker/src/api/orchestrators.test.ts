import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { Orchestrator } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { consoleApp } from '../console.ts';
import { CONSOLE, fresh, Tenant, userToken } from '../edge.fixture.ts';
import { addressOf } from '../hosts.ts';
import { servicesOf } from '../services.ts';

it('an orchestrator whose object fails is shown as far as D1 knows it, with the reason', async () => {
  const vps = fresh('vps');
  const { orgId } = await Tenant.create(vps);
  const services = servicesOf(env, createExecutionContext());
  const broken = { ...services.channel(vps, 0), describe: () => Promise.reject(new Error('object reset')) };
  const url = `${CONSOLE}/api/v1/orchestrators/${vps}`;
  const headers = { authorization: `Bearer ${userToken(orgId, 'viewer')}` };
  const response = await consoleApp.fetch(new Request(url, { headers }), {
    services: { ...services, channel: () => broken },
    address: addressOf(url),
    requestId: 'r1',
  });
  expect(response.status).toBe(200);
  expect(await response.json<Orchestrator>()).toMatchObject({
    id: vps,
    orgId,
    lanes: 2,
    presence: { state: 'away', reason: expect.stringMatching(/^its channel object gave no answer: /) },
  });
});
