import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type ConfigGeneration, digestOf, EMPTY_CONFIG, type SiteConfig } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { type Answer, clawctl, configState, folder } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

const ID = 'cmd_vps-1_0000000000000000000001';
const configOf = (colour: string): SiteConfig => ({
  routes: [{ path: '/*', upstream: 'http://127.0.0.1:4000', offline: 'unavailable' }],
  worker: { vars: { COLOUR: colour } },
});
const generationOf = (generation: number, more: Partial<ConfigGeneration> = {}) => ({
  ...{ generation, digest: digestOf(generation), at: 1_000, author: 'ada' },
  ...{ state: 'applied' as const, failures: 0, runs: false },
  ...more,
});
const detail = (generation: number, colour: string) => () => ({
  ...generationOf(generation),
  config: configOf(colour),
});
const taken: Answer = () => ({
  success: true,
  data: { commandId: ID, state: 'queued', generation: 8, warnings: ['the secret "hook" is not set'] },
  timestamp: '2026-01-01T00:00:00Z',
});
const edge = (): Record<string, Answer[]> => ({
  'GET /api/v1/sites/shop/config': [() => configState({ siteId: 'shop', config: configOf('red') })],
  'POST /api/v1/orchestrator': [taken],
  'GET /api/v1/sites/shop/config/history/5': [detail(5, 'blue')],
  'GET /api/v1/sites/shop/config/history/6': [detail(6, 'green')],
  'GET /api/v1/sites/shop/config/history/7': [detail(7, 'red')],
});
const patch = JSON.stringify({ worker: { vars: { COLOUR: 'blue' } } });
const set = ['config', 'set', 'shop'];
const given = () => folder({ 'patch.json': patch });
const posted = ({ seen }: Awaited<ReturnType<typeof clawctl>>) =>
  seen.find(({ method }) => method === 'POST')?.body;

describe('config set', () => {
  const file = () => `${given()}/patch.json`;

  it('shows what changes, asks at a terminal, and changes nothing without a yes', async () => {
    const questions: string[] = [];
    const ask = async (question: string) => {
      questions.push(question);
      return 'n';
    };
    const run = await clawctl([...set, file()], edge(), { ask });
    expect(run.err.split('\n')).toEqual(expect.arrayContaining(['-    COLOUR: red', '+    COLOUR: blue']));
    expect(questions).toEqual(['Apply this to shop? [y/N] ']);
    expect(run.error).toEqual(new CliError('nothing was changed'));
    expect(posted(run)).toBeUndefined();
  });

  it.each([
    ['a yes', [], { ask: async () => 'yes' }],
    ['--yes', ['--yes'], { ask: () => Promise.reject(new Error('it asked')) }],
    ['no terminal', [], {}],
  ])('goes on with %s, and says what the edge warns of', async (_what, flags, io) => {
    const run = await clawctl([...set, file(), '--detach', ...flags], edge(), io);
    expect(run.error).toBeUndefined();
    expect(posted(run)).toMatchObject({ payload: { base: 7, patch: JSON.parse(patch) } });
    expect(run.err).toContain('warning: the secret "hook" is not set');
  });

  it('neither shows nor asks with --json', async () => {
    const ask = () => Promise.reject(new Error('it asked'));
    const run = await clawctl(['--json', ...set, file(), '--detach'], edge(), { ask });
    expect(run.error).toBeUndefined();
    expect(run.err).not.toContain('COLOUR');
    expect(JSON.parse(run.out)).toMatchObject({ commandId: ID, generation: 8 });
  });

  it('takes YAML from a file that is called so', async () => {
    const yaml = `${folder({ 'patch.yaml': 'worker: { vars: { COLOUR: blue } }' })}/patch.yaml`;
    const run = await clawctl([...set, yaml, '--detach'], edge());
    expect(posted(run)).toMatchObject({ payload: { patch: JSON.parse(patch) } });
  });

  it('sends its note', async () => {
    const run = await clawctl([...set, file(), '--detach', '--note', 'spring'], edge());
    expect(posted(run)).toMatchObject({ payload: { note: 'spring' } });
  });

  describe('that changes nothing', () => {
    const same = () => `${folder({ 'same.json': '{}' })}/same.json`;
    const unchanged = (state: string) => () => ({
      success: true,
      data: { commandId: ID, state, generation: 7, unchanged: true },
      timestamp: '2026-01-01T00:00:00Z',
    });
    const there = (state: string) => ({ ...edge(), 'POST /api/v1/orchestrator': [unchanged(state)] });
    const ask = () => Promise.reject(new Error('it asked'));

    it('says so, without a question, and waits for nothing', async () => {
      const run = await clawctl([...set, same()], there('succeeded'), { ask });
      expect([run.error, run.out]).toEqual([undefined, 'nothing changed: generation 7 runs']);
      const { out } = await clawctl(['--json', ...set, same()], there('succeeded'));
      expect(JSON.parse(out)).toEqual({ commandId: ID, state: 'succeeded', generation: 7, unchanged: true });
    });

    it('waits for the generation there is, while that is on its way', async () => {
      const ended = () => ({
        ...{ id: ID, type: 'update_config', siteId: 'shop', orchestratorId: 'vps-1', state: 'succeeded' },
        ...{ createdAt: 1, createdBy: 'ada', history: [], milestones: [], result: { generation: 7 } },
      });
      const run = await clawctl([...set, same()], {
        ...there('delivered'),
        [`GET /api/v1/commands/${ID}`]: [ended],
      });
      expect([run.error, JSON.parse(run.out)]).toEqual([undefined, { generation: 7 }]);
      expect(run.err).toContain(`nothing changed: generation 7 is on its way (${ID} delivered)`);
    });
  });
});

describe('config edit', () => {
  const editing = (replace: (text: string) => string) => async (file: string) =>
    writeFileSync(file, replace(readFileSync(file, 'utf8')));
  const run = ['config', 'edit', 'shop', '--yes', '--detach'];

  it('sends the whole config as it was left in the editor, based on what was opened', async () => {
    const edited = await clawctl(run, edge(), { edit: editing((text) => text.replace('red', 'blue')) });
    expect(edited.error).toBeUndefined();
    expect(posted(edited)).toMatchObject({ payload: { base: 7, config: configOf('blue') } });
    expect(edited.err).toContain('+    COLOUR: blue');
  });

  it.each([
    ['what is no config', (text: string) => text.replace('offline', 'offlne'), /did you mean offline\?/],
    ['what is no YAML', () => 'routes: [', /; what you wrote is kept/],
  ])('keeps %s, and sends nothing', async (_what, replace, why) => {
    const edited = await clawctl(run, edge(), { edit: editing(replace) });
    expect(String(edited.error)).toMatch(why);
    const [file] = /\/[^ ]*shop\.yaml/.exec(String(edited.error)) ?? [];
    expect(readFileSync(String(file), 'utf8')).not.toBe('');
    rmSync(dirname(String(file)), { recursive: true });
    expect(posted(edited)).toBeUndefined();
  });

  it('needs a terminal', async () => {
    expect(String((await clawctl(run, edge())).error)).toContain('there is no terminal');
  });
});

describe('config rollback', () => {
  it('makes a new generation with the old content, and says so in its note', async () => {
    const run = await clawctl(['config', 'rollback', 'shop', '5', '--detach'], edge());
    expect(run.error).toBeUndefined();
    expect(posted(run)).toMatchObject({
      action: 'update_config',
      payload: { base: 7, config: configOf('blue'), note: 'rollback to generation 5' },
    });
    expect(run.err).toContain('+    COLOUR: blue');
  });

  it('refuses what is no generation', async () => {
    const run = await clawctl(['config', 'rollback', 'shop', 'last'], edge());
    expect(run.err).toContain('expected a generation’s number');
  });
});

describe('config diff', () => {
  it.each([
    ['what the newest generation has changed', [], ['-    COLOUR: green', '+    COLOUR: red']],
    ['what has changed since a generation', ['5'], ['-    COLOUR: blue', '+    COLOUR: red']],
    ['one against the other', ['6', '5'], ['-    COLOUR: green', '+    COLOUR: blue']],
  ])('shows %s', async (_what, generations, lines) => {
    const { out } = await clawctl(['config', 'diff', 'shop', ...generations], edge());
    expect(out.split('\n')).toEqual(expect.arrayContaining(lines));
  });

  it('begins at the empty config', async () => {
    const first = { 'GET /api/v1/sites/shop/config/history/1': [detail(1, 'red')] };
    const { out } = await clawctl(['config', 'diff', 'shop', '0', '1'], first);
    expect(out).toMatch(/^--- generation 0\n\+\+\+ generation 1\n@@ .*\n-routes: \[\]\n\+routes:/);
  });
});

describe('config history', () => {
  it('lists who made each generation, when and why, and what became of it', async () => {
    const items = [
      generationOf(3, { state: 'quarantined', failures: 3, why: 'not allowed here', note: 'try' }),
      generationOf(2, { runs: true }),
    ];
    const { out } = await clawctl(['config', 'history', 'shop'], {
      'GET /api/v1/sites/shop/config/history': [() => ({ items, next: null })],
    });
    const rows = out.split('\n').map((line) => line.split(/ {2,}/));
    expect(rows.slice(1)).toEqual([
      ['3', 'quarantined 3×', '1970-01-01 00:00:01', 'ada', 'try', 'not allowed here'],
      ['2', 'runs', '1970-01-01 00:00:01', 'ada'],
    ]);
  });
});

describe('config get', () => {
  it('says on standard error who uses what is desired, and why others do not', async () => {
    const failure = { generation: 8, at: 5_000, error: 'not allowed here', failures: 3 };
    const state = configState({
      ...{ siteId: 'shop', generation: 8, updatedAt: 1_000, author: 'ada', note: 'a try' },
      ...{ lastAttempt: failure, lastGood: { generation: 7, digest: digestOf(EMPTY_CONFIG), at: 1 } },
      applied: {
        relay: { state: 'quarantined', generation: 7, why: 'not allowed here' },
        edge: { state: 'pending', generation: 7, why: 'it follows the relay' },
        worker: { state: 'pending', generation: 5, why: 'redeploy: tag carries …' },
      },
      warnings: ['a secret is not set'],
    });
    const { err, out } = await clawctl(['config', 'get', 'shop'], {
      'GET /api/v1/sites/shop/config': [() => state],
    });
    expect(JSON.parse(out)).toEqual(EMPTY_CONFIG);
    expect(err.split('\n')).toEqual([
      'desired: generation 8 of 1970-01-01 00:00:01 by ada (a try)',
      '  relay: quarantined, generation 7 is used: not allowed here',
      '  edge: pending, generation 7 is used: it follows the relay',
      '  worker: pending, generation 5 is used: redeploy: tag carries …',
      '  generation 8 failed 3 times, last at 1970-01-01 00:00:05; the last good one is generation 7',
      'warning: a secret is not set',
    ]);
  });
});
