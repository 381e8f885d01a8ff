import { readFileSync } from 'node:fs';
import { type Command, EMPTY_CONFIG, type Site, type SiteConfig } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { type Answer, clawctl, configState, folder, problem } from './clawctl.fixture.ts';

const idOf = (siteId: string) => `cmd_vps-1_${siteId.replaceAll('-', '').padStart(20, '0')}`;
const siteOf = (id: string, more: Partial<Site> = {}): Site => ({
  ...{ id, orgId: 'org-1', orchestratorId: 'vps-1', name: id, labels: {}, hostnames: [] },
  ...{ paused: false, createdAt: 1, ...more },
});
const CONFIG: SiteConfig = {
  routes: [{ path: '/*', upstream: 'http://127.0.0.1:4000', offline: 'queue', respond: 'accepted' }],
  worker: { vars: { COLOUR: 'red' } },
};
const ended = (siteId: string, state: Command['state']) => () => ({
  ...{ id: idOf(siteId), type: 'update_config', siteId, orchestratorId: 'vps-1', state },
  ...{ createdAt: 1, createdBy: 'ada', history: [], milestones: [] },
  ...(state === 'failed' ? { error: { code: 'config_refused', message: 'not allowed here' } } : {}),
});

/** Two sites, of which the second is configured. */
const edge = (state: Command['state'] = 'succeeded'): Record<string, Answer[]> => ({
  'GET /api/v1/sites': [
    ({ url }) =>
      url.includes('after=one')
        ? { items: [siteOf('two', { labels: { tier: 'gold' }, hostnames: ['two.example.com'] })], next: null }
        : { items: [siteOf('one')], next: 'one' },
  ],
  'GET /api/v1/sites/one/config': [() => configState({ siteId: 'one', generation: 0 })],
  'GET /api/v1/sites/two/config': [() => configState({ siteId: 'two', config: CONFIG })],
  'POST /api/v1/sites': [({ body }) => siteOf((body as Site).id)],
  'PATCH /api/v1/sites/two': [() => siteOf('two')],
  'PATCH /api/v1/sites/new': [() => siteOf('new')],
  'POST /api/v1/orchestrator': [
    ({ body }) => ({
      success: true,
      data: { commandId: idOf((body as { siteId: string }).siteId), state: 'queued', generation: 1 },
      timestamp: '2026-01-01T00:00:00Z',
    }),
  ],
  ...Object.fromEntries(
    ['one', 'two', 'new'].map((id) => [`GET /api/v1/commands/${idOf(id)}`, [ended(id, state)]]),
  ),
});

const exported = async () => {
  const file = `${folder({ x: '' })}/fleet.yaml`;
  expect((await clawctl(['config', 'export', file], edge())).error).toBeUndefined();
  return file;
};
const fleet = (text: string) => `${folder({ 'fleet.yaml': text })}/fleet.yaml`;
type Run = Awaited<ReturnType<typeof clawctl>>;
const writes = ({ seen }: Run) => seen.filter(({ method }) => method !== 'GET');

describe('an export', () => {
  it('has every site of every page with its config, as YAML or as JSON', async () => {
    const text = readFileSync(await exported(), 'utf8');
    expect(text).toContain('# Secrets are named here and never shown');
    expect(text).toMatch(/two:\n {4}name: two\n {4}orchestrator: vps-1\n {4}labels:\n {6}tier: gold/);
    const { out } = await clawctl(['--json', 'config', 'export'], edge());
    expect(JSON.parse(out).sites).toMatchObject({ one: { config: EMPTY_CONFIG }, two: { config: CONFIG } });
  });

  it('that is applied changes nothing', async () => {
    const run = await clawctl(['config', 'apply', await exported()], edge());
    expect([run.error, writes(run)]).toEqual([undefined, []]);
    expect(run.err).toBe('= 2 unchanged');
    expect(run.out).toBe('nothing was changed');
  });
});

describe('a file that is applied', () => {
  const CHANGED = `
version: 1
sites:
  two:
    hostnames: [two.example.com, shop.example.com]
    config: { routes: [], worker: { vars: { COLOUR: blue } } }
  new: { paused: true, config: { worker: { vars: { A: '1' } } } }
`;

  it('shows what becomes of each site before it is asked for, and is refused without a yes', async () => {
    const run = await clawctl(['config', 'apply', fleet(CHANGED)], edge());
    expect(run.err.split('\n')).toEqual(
      expect.arrayContaining([
        '~ change two',
        '    +  - shop.example.com',
        '    -      COLOUR: red',
        '    +      COLOUR: blue',
        '+ create new',
        '    +paused: true',
        '= 0 unchanged',
      ]),
    );
    expect(String(run.error)).toContain('this changes 2 sites: say --yes');
    const asked = await clawctl(['config', 'apply', fleet(CHANGED)], edge(), { ask: async () => 'no' });
    expect(String(asked.error)).toContain('nothing was changed');
    const dry = await clawctl(['config', 'apply', fleet(CHANGED), '--dry-run'], edge());
    expect([dry.error, dry.out]).toEqual([undefined, 'nothing was changed']);
    expect([run, asked, dry].flatMap(writes)).toEqual([]);
  });

  it('changes only what differs, and creates what is not there', async () => {
    const run = await clawctl(['config', 'apply', fleet(CHANGED), '--yes', '--note', 'spring'], edge());
    expect(run.error).toBeUndefined();
    const two = { base: 7, config: { routes: [], worker: { vars: { COLOUR: 'blue' } } }, note: 'spring' };
    const created = { base: 0, config: { routes: [], worker: { vars: { A: '1' } } }, note: 'spring' };
    expect(writes(run).map(({ method, body }) => [method, body])).toEqual(
      expect.arrayContaining([
        ['PATCH', { hostnames: ['shop.example.com', 'two.example.com'] }],
        ['POST', { action: 'update_config', siteId: 'two', payload: two }],
        ['POST', { id: 'new' }],
        ['PATCH', { paused: true }],
        ['POST', { action: 'update_config', siteId: 'new', payload: created }],
      ]),
    );
    expect(writes(run)).toHaveLength(4 + 1);
    expect(run.out).toBe('2 sites are as the file says');
  });

  it('says which sites failed and why, and that the others need not be done again', async () => {
    const other = { ...edge('failed'), 'PATCH /api/v1/sites/two': [problem(409, 'conflict', 'it is taken')] };
    const run = await clawctl(['config', 'apply', fleet(CHANGED), '--yes'], other);
    expect(String(run.error)).toMatch(/2 of 2 sites failed: two: it is taken; new: .*not allowed here/);
  });

  it.each([
    ['version: 1\nsites: { two: { confg: {} } }', /sites\.two\.confg: unknown; did you mean config\?/],
    ['version: 2\nsites: {}', /version: .*1/],
    ['a: [', /is no YAML/],
    ['version: 1\nsites: { two: { paused: false }, two: {} }', /is no YAML: .*unique/],
    ['version: 1\nsites: { two: { orchestrator: vps-2 } }', /two\.orchestrator: the site is at vps-1/],
    [
      'version: 1\nsites: { two: { config: { routes: [{ path: /, upstream: "http://h", respond: accepted }] } } }',
      /sites\.two\.config\.routes\[0\]\.respond: has no effect/,
    ],
  ])('is refused before anything is changed: %s', async (text, why) => {
    const run = await clawctl(['config', 'apply', fleet(text), '--yes'], edge());
    expect(String(run.error)).toMatch(why);
    expect(writes(run)).toEqual([]);
  });
});
