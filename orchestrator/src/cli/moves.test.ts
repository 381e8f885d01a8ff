import type { SiteMove } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { clawctl, problem } from './clawctl.fixture.ts';

const ID = 'move_vps-1_0mwx6d8e5wwj0akes8ehzm';
const move = (more: Partial<SiteMove> = {}): SiteMove => ({
  id: ID,
  siteId: 'shop',
  from: 'vps-1',
  to: 'vps-2',
  state: 'preparing',
  receipts: 0,
  commands: 0,
  workers: 0,
  createdBy: 'op',
  createdAt: 1,
  updatedAt: 1,
  ...more,
});
const moved = move({ state: 'moved', receipts: 12, pausedMs: 34 });

describe('sites move', () => {
  const begin = { 'POST /api/v1/sites/shop/move': [() => move()] };

  it('waits until the site is there', async () => {
    const states = [() => move({ state: 'moving' }), () => moved];
    const { out, err, seen } = await clawctl(['sites', 'move', 'shop', 'vps-2'], {
      ...begin,
      [`GET /api/v1/moves/${ID}`]: states,
    });
    expect(seen[0]?.body).toEqual({ orchestratorId: 'vps-2' });
    expect(err).toBe('shop: preparing, vps-1 → vps-2');
    expect(out).toBe('shop: moved, vps-1 → vps-2, with 12 receipts; its stored requests waited for 34 ms');
  });

  it('says why it stays', async () => {
    const undone = move({ state: 'undone', reason: 'vps-2 does not take the site’s config' });
    const { error } = await clawctl(['sites', 'move', 'shop', 'vps-2'], {
      ...begin,
      [`GET /api/v1/moves/${ID}`]: [() => undone],
    });
    expect(String(error)).toContain('shop stays on vps-1: vps-2 does not take the site’s config');
  });

  it('says what the move waits for, once, and what has come along beside receipts', async () => {
    const reason = 'cmd_vps-1_x (deploy_worker tag) has not ended on vps-1: wait for it, or cancel it';
    const waits = () => move({ reason });
    const { out, err } = await clawctl(['sites', 'move', 'shop', 'vps-2'], {
      ...begin,
      [`GET /api/v1/moves/${ID}`]: [waits, waits, () => ({ ...moved, commands: 2, workers: 1 })],
    });
    expect(err.split('\n').slice(1)).toEqual([`shop waits: ${reason}`]);
    expect(out).toContain('with 12 receipts and 2 commands that were not sent yet;');
    expect(out).toContain('; vps-2 takes over 1 Worker: clawctl deployments --site shop');
  });

  const latest = { ['GET /api/v1/moves']: [() => ({ items: [move()], next: null })] };
  const cancel = ['sites', 'move', 'shop', '--cancel'];

  it('is taken back with --cancel, which waits for that', async () => {
    const { out } = await clawctl(cancel, {
      ...latest,
      [`POST /api/v1/moves/${ID}/cancel`]: [() => move({ state: 'undoing' })],
      [`GET /api/v1/moves/${ID}`]: [() => move({ state: 'undone', reason: 'cancelled by op' })],
    });
    expect(out).toBe('shop stays on vps-1: cancelled by op');
  });

  it('is not taken back when the other one has it', async () => {
    const there = problem(409, 'conflict', 'vps-2 has the site already: move it back');
    const { error } = await clawctl(cancel, { ...latest, [`POST /api/v1/moves/${ID}/cancel`]: [there] });
    expect(String(error)).toContain('vps-2 has the site already');
  });

  it('must know where to', async () => {
    const { error } = await clawctl(['sites', 'move', 'shop'], {});
    expect(String(error)).toContain('clawctl sites move shop <orchestrator>');
  });

  it('is left to itself with --detach', async () => {
    const { out, seen } = await clawctl(['sites', 'move', 'shop', 'vps-2', '--detach'], begin);
    expect([out, seen.length]).toEqual(['shop: preparing, vps-1 → vps-2', 1]);
  });
});

describe('orchestrators evacuate', () => {
  const args = ['orchestrators', 'evacuate', 'vps-1', '--to', 'vps-2'];
  const path = 'POST /api/v1/orchestrators/vps-1/evacuate';

  it('begins page by page, waits for all, and sums up', async () => {
    const pages = [
      () => ({ moves: [move()], refused: [], next: 'shop' }),
      () => ({ moves: [], refused: [{ siteId: 'zoo', reason: 'it is being moved to vps-3' }], next: null }),
    ];
    const { out, error, seen } = await clawctl(args, {
      [path]: pages,
      [`GET /api/v1/moves/${ID}`]: [() => moved],
    });
    const asked = seen.slice(0, 2).map(({ url }) => new URL(url).searchParams.get('after'));
    expect(asked).toEqual([null, 'shop']);
    expect(out.split('\n')).toEqual([
      'SITE  STATE    RECEIPTS  PAUSE  WHY',
      'shop  moved    12        34 ms',
      'zoo   refused                   it is being moved to vps-3',
      '',
      '1 of 2 sites of vps-1 is on vps-2 now',
    ]);
    expect(String(error)).toContain('not all sites were moved');
  });

  it('is refused by an edge that cannot', async () => {
    const away = problem(409, 'conflict', 'vps-2 is away: start it first');
    const { error } = await clawctl(args, { [path]: [away] });
    expect(String(error)).toContain('vps-2 is away');
  });
});
