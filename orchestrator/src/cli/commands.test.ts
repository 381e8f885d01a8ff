import type { Command, CommandSummary } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { command, ID } from './answers.fixture.ts';
import { clawctl, problem } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

const summary = (more: Partial<CommandSummary> = {}): CommandSummary => ({
  id: ID,
  type: 'deploy_worker',
  subject: 'hello',
  siteId: 'shop',
  orchestratorId: 'vps-1',
  state: 'succeeded',
  createdAt: 1_000,
  updatedAt: 2_000,
  createdBy: 'ada',
  ...more,
});
const listed = async (items: CommandSummary[], args: string[] = [], width?: number) => {
  const answered = await clawctl(
    ['commands', ...args],
    { 'GET /api/v1/commands': [() => ({ items, next: null })] },
    { width },
  );
  return { ...answered, lines: answered.out.split('\n') };
};
const superseded = summary({
  type: 'update_config',
  subject: 'generation 7',
  state: 'cancelled',
  reason: 'superseded',
});
const failed = (message: string) =>
  summary({ state: 'failed', error: { code: 'cloudflare_refused', message } });

it('a list says of each command what it is, and why it is in its state', async () => {
  const { lines } = await listed([summary(), superseded, failed('no such\naccount')]);
  expect(lines).toEqual([
    'AGE  STATE      WHAT                 SITE  BY   WHY              ID',
    `4 s  succeeded  deploy hello         shop  ada                   ${ID}`,
    `4 s  cancelled  config generation 7  shop  ada  superseded       ${ID}`,
    `4 s  failed     deploy hello         shop  ada  no such account  ${ID}`,
  ]);
});

it('a reason that is too long for the terminal ends where the line still fits it', async () => {
  const { lines } = await listed([summary(), failed('x'.repeat(500))], [], 110);
  expect(Math.max(...lines.map(({ length }) => length))).toBe(110);
  expect(lines[2]).toMatch(/x… {2}cmd_/);
});

it('a terminal too narrow for any reason wraps the line, and shows the start of it', async () => {
  const { lines } = await listed([failed('no such account, or it is not yours')], [], 40);
  expect(lines[1]).toContain('no such account, or it');
});

it('an empty list says so', async () => {
  expect((await listed([])).out).toBe('none');
  expect(JSON.parse((await listed([], ['--json'])).out)).toEqual([]);
});

it('a list is of what was asked for', async () => {
  const query = async (...args: string[]) => new URL((await listed([], args)).seen[0]?.url ?? '').search;
  expect(await query()).toBe('?limit=20');
  expect(
    await query('--site', 'shop', '--state', 'failed', '--type', 'deploy_worker', '--limit', '200'),
  ).toBe('?limit=200&site=shop&state=failed&type=deploy_worker');
});

it.each([
  ['--limit', '0'],
  ['--limit', '201'],
  ['--state', 'lost'],
  ['--type', 'reboot'],
])('%s %s is refused before anything is asked', async (...args) => {
  const { seen, err } = await listed([], args);
  expect(seen).toEqual([]);
  expect(err).toMatch(/expected a number from 1 to 200|Allowed choices are/);
});

const local = (ms: number) => new Date(ms).toLocaleString('sv');
const shown = async (more: Partial<Command>, args: string[] = []) => {
  const { updatedAt: _, ...rest } = summary();
  const command: Command = { ...rest, history: [], milestones: [], ...more };
  return (await clawctl(['commands', ID, ...args], { [`GET /api/v1/commands/${ID}`]: [() => command] })).out;
};

it('a command is shown with what it went through, in local time, its end behind all milestones', async () => {
  const out = await shown({
    expiresAt: 60_000,
    history: [
      { state: 'queued', at: 1_000, reason: 'by ada' },
      { state: 'running', at: 2_000 },
      { state: 'succeeded', at: 4_000 },
    ],
    milestones: [
      { milestone: 'uploaded', at: 3_000, detail: 'version v-1' },
      { milestone: 'checked', at: 4_000, detail: 'reachable' },
    ],
    result: { name: 'hello', proof: 'reachable', routes: [] },
  });
  expect(out.split('\n')).toEqual([
    ID,
    'state    succeeded',
    'what     deploy hello',
    'site     shop on vps-1',
    'by       ada',
    `created  ${local(1_000)}`,
    `expires  ${local(60_000)}`,
    '',
    `${local(1_000)}  queued: by ada`,
    `${local(2_000)}  running`,
    `${local(3_000)}  uploaded (version v-1)`,
    `${local(4_000)}  checked (reachable)`,
    `${local(4_000)}  succeeded`,
    '',
    'name    hello',
    'proof   reachable',
    'routes  []',
  ]);
});

it('a command that came to nothing says why', async () => {
  const error = { code: 'cloudflare_refused', message: 'no such account' } as const;
  expect(await shown({ state: 'failed', error })).toMatch(/\n\ncloudflare_refused: no such account$/);
  expect(await shown({ state: 'cancelled', reason: 'superseded' })).toContain(
    'state    cancelled: superseded\n',
  );
});

it('with --json a command is what the edge said', async () => {
  expect(JSON.parse(await shown({ result: { url: 'http://x' } }, ['--json']))).toMatchObject({
    id: ID,
    result: { url: 'http://x' },
    history: [],
  });
});

describe('commands', () => {
  it('are cancelled', async () => {
    const edge = { [`POST /api/v1/commands/${ID}/cancel`]: [() => command({ state: 'cancelled' })] };
    expect((await clawctl(['commands', 'cancel', ID], edge)).out).toBe(`${ID} is cancelled`);
    const running = { [`POST /api/v1/commands/${ID}/cancel`]: [() => command({ state: 'running' })] };
    expect((await clawctl(['commands', 'cancel', ID], running)).out).toMatch(/ is being cancelled: /);
  });

  it.each([
    [
      'a refused token',
      problem(401, 'unauthorized', 'sign in again'),
      'the edge refused the token: sign in again',
    ],
    ['what is not there', problem(404, 'not_found', 'no such command'), 'no such command'],
    ['an answer without a reason', () => new Response('<html>', { status: 502 }), 'it answered 502'],
    [
      'an answer of another program',
      () => Response.json({ hello: 1 }),
      'the edge answered in a way this clawctl does not know: upgrade one of them',
    ],
  ])('end with one sentence for %s', async (_what, answer, sentence) => {
    const { error } = await clawctl(['commands', ID], { [`GET /api/v1/commands/${ID}`]: [answer] });
    expect(error).toEqual(new CliError(sentence));
  });

  it('say so when the edge does not answer', async () => {
    const down = async () => Promise.reject(new TypeError('fetch failed'));
    expect(String((await clawctl(['commands'], {}, { fetcher: down })).error)).toMatch(
      /edge\.example does not answer/,
    );
  });
});
