import type { Site } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { clawctl, problem } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

const shop: Site = {
  id: 'shop',
  orgId: 'org-1',
  orchestratorId: 'vps-1',
  name: 'Shop',
  labels: { tier: 'gold', team: 'north' },
  hostnames: ['a.example.net'],
  paused: false,
  createdAt: 1,
};
const queued = { siteId: 'shop', receipts: 2, commands: 1, kept: 7 };
const deleted = {
  siteId: 'shop',
  receipts: { undelivered: 2, kept: 7, erased: 0 },
  commands: { cancelled: 1, left: 0 },
};
const deployment = (name: string, state = 'succeeded') => ({
  ...{ commandId: 'c', type: 'deploy_worker', name, siteId: 'shop', orchestratorId: 'vps-1', state },
  updatedAt: 1,
});
const edge = {
  'GET /api/v1/deployments': [() => ({ items: [], next: null })],
  'GET /api/v1/sites/shop': [() => shop],
  'GET /api/v1/sites/shop/queued': [() => queued],
  'PATCH /api/v1/sites/shop': [({ body }: { body: unknown }) => ({ ...shop, ...(body as object) })],
  'DELETE /api/v1/sites/shop': [() => deleted],
};
const bodies = ({ seen }: { seen: { method: string; body: unknown }[] }, method: string) =>
  seen.filter((call) => call.method === method).map(({ body }) => body);

describe('sites', () => {
  it('are listed to the last page, those that have the labels', async () => {
    const pages = [() => ({ items: [shop], next: 'shop' }), () => ({ items: [], next: null })];
    const { out, seen } = await clawctl(['sites', '--label', 'tier=gold', '--label', 'team=a:b'], {
      'GET /api/v1/sites': pages,
    });
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^SITE +ORCHESTRATOR +STATE +LABELS +HOST NAMES +NAME$/),
      'shop  vps-1         active  tier=gold,team=north  a.example.net  Shop',
    ]);
    const queries = seen.map(({ url }) => new URL(url).searchParams);
    expect(queries.map((query) => [query.get('after'), query.getAll('label')])).toEqual([
      [null, ['tier:gold', 'team:a:b']],
      ['shop', ['tier:gold', 'team:a:b']],
    ]);
  });

  it('are made with what is said of them', async () => {
    const args = ['sites', 'create', 'shop', '--label', 'tier=gold', '--hostname', 'a.example.net'];
    const run = await clawctl(args, { 'POST /api/v1/sites': [() => shop] });
    expect(run.out).toBe('shop is made, on vps-1');
    expect(bodies(run, 'POST')).toEqual([
      { id: 'shop', labels: { tier: 'gold' }, hostnames: ['a.example.net'] },
    ]);
  });

  it.each([
    ['orchestratorId: expected one of … (vps-1, vps-2)', '--orchestrator: expected one of … (vps-1, vps-2)'],
    ['hostnames[0]: expected a host name', '--hostname[0]: expected a host name'],
    ['the id "shop" is taken', 'the id "shop" is taken'],
  ])('are refused in the words of the command line: %s', async (said, shown) => {
    const refused = [problem(400, 'bad_request', said)];
    const { error } = await clawctl(['sites', 'create', 'shop'], { 'POST /api/v1/sites': refused });
    expect(error).toEqual(new CliError(shown));
    const imported = await clawctl(['sites', 'import'], { 'POST /api/v1/sites/import': refused });
    expect(imported.error).toEqual(new CliError(shown));
  });

  it('are imported page by page', async () => {
    const pages = [
      () => ({ imported: [shop], skipped: [], next: 'shop' }),
      () => ({ imported: [], skipped: [{ customerId: 'X Y', reason: 'it is no site id' }], next: null }),
    ];
    const run = await clawctl(['sites', 'import'], { 'POST /api/v1/sites/import': pages });
    expect(run.out.split('\n').slice(1)).toEqual([
      'shop      made, on vps-1',
      'X Y       skipped: it is no site id',
    ]);
    expect(bodies(run, 'POST')).toEqual([{}, { after: 'shop' }]);
  });

  it('keep the labels that are not named', async () => {
    const run = await clawctl(['sites', 'label', 'shop', 'tier=silver', 'team-', 'x=a=b'], edge);
    expect(bodies(run, 'PATCH')).toEqual([{ labels: { tier: 'silver', x: 'a=b' } }]);
  });

  it.each([
    ['add', 'b.example.net', ['a.example.net', 'b.example.net']],
    ['add', 'a.example.net', ['a.example.net']],
    ['remove', 'a.example.net', []],
  ])('hostnames %s %s', async (change, name, hostnames) => {
    const run = await clawctl(['sites', 'hostnames', change, 'shop', name], edge);
    expect(bodies(run, 'PATCH')).toEqual([{ hostnames }]);
  });

  it('have no host name taken away that they have not', async () => {
    const { error, seen } = await clawctl(['sites', 'hostnames', 'remove', 'shop', 'z.example.net'], edge);
    expect([error instanceof CliError, seen.map(({ method }) => method)]).toEqual([true, ['GET']]);
  });

  it('are paused and resumed', async () => {
    const run = await clawctl(['sites', 'pause', 'shop'], edge);
    expect(run.out).toBe('shop: paused, tier=gold,team=north, a.example.net');
    expect(bodies(await clawctl(['sites', 'resume', 'shop'], edge), 'PATCH')).toEqual([{ paused: false }]);
  });

  it('are not deleted while something is queued for them, which is said', async () => {
    const { error, seen } = await clawctl(['sites', 'delete', 'shop'], edge);
    expect(String(error)).toContain('shop has 2 stored requests to deliver, 1 command under way');
    expect(seen.map(({ method }) => method)).toEqual(['GET']);
  });

  it('are deleted by force, and what became of what was queued is said', async () => {
    const { out, seen } = await clawctl(['sites', 'delete', 'shop', '--force', '--erase', '--yes'], edge);
    expect(out).toContain('2 stored requests were given up, 1 command cancelled');
    expect(seen.map(({ url }) => new URL(url).search)).toContain('?force=true&parcels=erase');
  });

  it('are deleted only behind a yes, and which Workers serve on is said before', async () => {
    const idle = {
      ...edge,
      'GET /api/v1/sites/shop/queued': [() => ({ ...queued, receipts: 0, commands: 0 })],
      'GET /api/v1/deployments': [
        () => ({ items: [deployment('tag'), deployment('tag'), deployment('ill', 'failed')], next: null }),
      ],
    };
    const run = await clawctl(['sites', 'delete', 'shop'], idle);
    expect(run.err).toMatch(/^these Workers of shop serve on at Cloudflare.*: tag \(/);
    expect(String(run.error)).toContain('this deletes shop for good: say --yes');
    const asked = await clawctl(['sites', 'delete', 'shop'], idle, { ask: async () => '' });
    expect(String(asked.error)).toContain('nothing was changed');
    const json = await clawctl(['--json', 'sites', 'delete', 'shop'], idle);
    expect([run, asked, json].flatMap((one) => bodies(one, 'DELETE'))).toEqual([]);
    const agreed = await clawctl(['sites', 'delete', 'shop'], idle, { ask: async () => 'yes' });
    expect(agreed.out).toContain('shop is deleted');
  });
});
