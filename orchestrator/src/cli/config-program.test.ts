import { join } from 'node:path';
import { EMPTY_CONFIG } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { command, ID, takenWith } from './answers.fixture.ts';
import { clawctl, configState, folder } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

describe('config', () => {
  const state = configState();
  const edge = {
    'GET /api/v1/sites/site-1/config': [() => state],
    'POST /api/v1/orchestrator': [takenWith({ generation: 8 })],
    [`GET /api/v1/commands/${ID}`]: [() => command({ type: 'update_config', result: { generation: 8 } })],
  };

  it('get prints the desired config', async () => {
    expect(JSON.parse((await clawctl(['config', 'get', 'site-1'], edge)).out)).toEqual(EMPTY_CONFIG);
    expect(JSON.parse((await clawctl(['--json', 'config', 'get', 'site-1'], edge)).out)).toEqual(state);
  });

  it.each([
    ['a merge patch', [], 'patch'],
    ['the whole', ['--replace'], 'config'],
  ])('set sends %s from standard input, based on what is there', async (_what, flags, member) => {
    const readStdin = async () => '{"routes":[]}';
    const { seen, out, error } = await clawctl(['config', 'set', 'site-1', ...flags], edge, { readStdin });
    expect(error).toBeUndefined();
    const post = seen.find(({ method }) => method === 'POST');
    expect(post?.body).toEqual({
      action: 'update_config',
      siteId: 'site-1',
      payload: { base: 7, [member]: { routes: [] } },
    });
    expect(JSON.parse(out)).toEqual({ generation: 8 });
  });

  it('set says so when there is no such file', async () => {
    const { error, seen } = await clawctl(['config', 'set', 'site-1', '/nowhere'], edge);
    expect(error).toEqual(new CliError('/nowhere cannot be read: no such file'));
    expect(seen).toEqual([]);
  });

  it('set refuses what is no JSON, and hands on why the edge refused', async () => {
    const text = join(folder({ 'a.txt': 'hello' }), 'a.txt');
    expect(String((await clawctl(['config', 'set', 'site-1', text], edge)).error)).toMatch(
      /a\.txt is no JSON/,
    );
    const stale = () =>
      Response.json(
        { success: false, error: 'generation 9 is newer', timestamp: '2026-01-01T00:00:00Z' },
        { status: 409 },
      );
    const refused = await clawctl(
      ['config', 'set', 'site-1'],
      { ...edge, 'POST /api/v1/orchestrator': [stale] },
      { readStdin: async () => '{}' },
    );
    expect(refused.error).toEqual(new CliError('generation 9 is newer'));
  });
});

describe('config that is refused', () => {
  it('is said to stay desired, with the way out', async () => {
    const error = { code: 'config_refused' as const, message: 'an upstream outside the list' };
    const edge = {
      'GET /api/v1/sites/site-1/config': [() => configState()],
      'POST /api/v1/orchestrator': [takenWith({ generation: 8 })],
      [`GET /api/v1/commands/${ID}`]: [() => command({ type: 'update_config', state: 'failed', error })],
    };
    const readStdin = async () => '{"routes":[]}';
    const failed = await clawctl(['config', 'set', 'site-1'], edge, { readStdin });
    expect(String(failed.error)).toMatch(
      /an upstream outside the list \(config_refused\)\. The desired config still has it \("clawctl config get site-1" shows it\).*set that member right, put the whole in with --replace, or go back with "clawctl config rollback site-1 <generation>"$/,
    );
  });
});
