import { CONFIG_HISTORY_MAX } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, errorOf, value } from './channel.fixture.ts';
import { ConfigHistory } from './config-history.ts';
import { ConfigReports } from './config-reports.ts';
import { withObject } from './object.fixture.ts';

const SITE = 'shop';
let count = 0;
let vps: string;
beforeEach(async () => {
  vps = `generations-${++count}`;
  value(await channelOf(vps).putSite(SITE, { paused: false, orgId: 'org-1' }));
});
const edit = async (base: number, note?: string) => {
  const payload = {
    base,
    patch: { worker: { vars: { N: `${base}` } } },
    ...(note === undefined ? {} : { note }),
  };
  return value(await channelOf(vps).updateConfig({ siteId: SITE, actor: `op-${base}`, payload }));
};

describe('the history of a config', () => {
  it('says of each generation who made it, when, why, and what became of it, newest first', async () => {
    const before = Date.now();
    await edit(0, 'first steps');
    await edit(1);
    const { items, next } = value(await channelOf(vps).configHistory(SITE, 10));
    expect(items).toEqual([
      expect.objectContaining({ generation: 2, author: 'op-1', state: 'pending', failures: 0, runs: false }),
      expect.objectContaining({
        ...{ generation: 1, author: 'op-0', note: 'first steps', at: expect.any(Number) },
        ...{ state: 'withdrawn', why: 'superseded' },
      }),
    ]);
    expect(items[1]?.at).toBeGreaterThanOrEqual(before);
    expect(next).toBeNull();
    expect(value(await channelOf(vps).config(SITE))).toMatchObject({ generation: 2, author: 'op-1' });
  });

  it('goes on page by page, and gives each generation with its config', async () => {
    for (const base of [0, 1, 2]) await edit(base);
    const first = value(await channelOf(vps).configHistory(SITE, 2));
    expect([first.items.map(({ generation }) => generation), first.next]).toEqual([[3, 2], '2']);
    const rest = value(await channelOf(vps).configHistory(SITE, 2, 2));
    expect([rest.items.map(({ generation }) => generation), rest.next]).toEqual([[1], null]);
    const { config } = value(await channelOf(vps).configGeneration(SITE, 2));
    expect(config.worker.vars).toEqual({ N: '1' });
  });

  it('has nothing of a site or a generation that is not there', async () => {
    const history = errorOf(await channelOf(vps).configHistory('nowhere', 2));
    const generations = [
      errorOf(await channelOf(vps).configGeneration(SITE, 7)),
      errorOf(await channelOf(vps).configGeneration('nowhere', 1)),
    ];
    expect([history, ...generations].map(({ code }) => code)).toEqual(Array(3).fill('not_found'));
  });

  it('keeps the last hundred, and never forgets the one that runs nor the last good one', () =>
    withObject(({ sql, configs, clock }) => {
      const reports = new ConfigReports(sql, () => clock.now);
      const history = new ConfigHistory({ sql, configs, reports });
      const last = CONFIG_HISTORY_MAX + 10;
      for (let base = 0; base < last; base++) {
        const next = configs.next(SITE, { base, config: { worker: { vars: { N: `${base}` } } } });
        configs.commit(SITE, next, { at: clock.now, actor: 'op' });
        if (base === 3) reports.told([{ siteId: SITE, generation: 4, digest: next.digest }]);
        if (base === 5) sql.run(`UPDATE configs SET applied_at = 1 WHERE generation = 6`);
        history.prune(SITE, next.generation);
      }
      const kept = history.list(SITE, last).items.map(({ generation }) => generation);
      expect(kept).toHaveLength(CONFIG_HISTORY_MAX + 2);
      expect([kept[0], kept.at(-3), ...kept.slice(-2)]).toEqual([last, 11, 6, 4]);
    }));
});
