import { digestOf, EMPTY_CONFIG, type UpdateConfig } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseAllow } from '../relay/allow.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import type { NewEvent } from '../sync/index.ts';
import { createSettings } from './settings.ts';

const HERE = 'http://127.0.0.1:9000';
const UNSTOPPED = new AbortController().signal;

function update(generation: number, upstream = HERE, more: Partial<UpdateConfig> = {}): UpdateConfig {
  const config = { ...EMPTY_CONFIG, routes: [{ path: '/*', upstream, offline: 'unavailable' as const }] };
  return {
    type: 'update_config',
    commandId: `cmd_vps-1_${String(generation).padStart(20, '0')}`,
    siteId: 'site-1',
    generation,
    digest: digestOf(config),
    config,
    ...more,
  };
}

let now = 1_000;
let sql: ReturnType<typeof createSql>;
let events: NewEvent[];
let record: (event: NewEvent) => void;
const open = () =>
  createSettings({
    sql,
    now: () => now,
    allow: parseAllow('127.0.0.1:*'),
    events: { record: (event) => record(event) },
  });

beforeEach(() => {
  now = 1_000;
  events = [];
  record = (event) => void events.push(event);
  sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
});

describe('applying a config', () => {
  it('makes it the one that runs, and still after a restart', async () => {
    const body = update(3);
    expect(await open().apply(body, UNSTOPPED)).toEqual({ generation: 3, digest: body.digest });
    const restarted = open();
    expect(restarted.configOf('site-1')).toEqual(body.config);
    expect(restarted.running()).toEqual([{ siteId: 'site-1', generation: 3, digest: body.digest }]);
  });

  it('answers a generation that runs already with success, so that a cut-off command may be repeated', async () => {
    const settings = open();
    await settings.apply(update(3), UNSTOPPED);
    expect(await settings.apply(update(3), UNSTOPPED)).toMatchObject({ generation: 3 });
    expect(await settings.apply(update(2), UNSTOPPED)).toMatchObject({ generation: 3 });
  });

  it.each([
    ['an older generation', update(2, `${HERE}/b`), /generation 2 is not newer than generation 3/],
    ['the same generation with other content', update(3, `${HERE}/b`), /not newer/],
    ['a digest that is not the content’s', update(4, `${HERE}/b`, { digest: digestOf('x') }), /digest/],
    [
      'an upstream outside the list',
      update(4, 'http://10.0.0.1:80'),
      /route \/\*: the upstream http:\/\/10\.0\.0\.1:80 .*127\.0\.0\.1:\*/,
    ],
    [
      'a config that does not match its schema',
      update(4, 'nowhere'),
      /config\.routes\.0\.upstream: expected http/,
    ],
  ])('refuses %s, says why, and keeps the last good one', async (_what, body, why) => {
    const settings = open();
    await settings.apply(update(3), UNSTOPPED);
    now = 2_000;
    await expect(settings.apply(body, UNSTOPPED)).rejects.toMatchObject({
      code: 'config_refused',
      message: expect.stringMatching(why),
    });
    for (const view of [settings, open()]) {
      expect(view.running()).toEqual([{ siteId: 'site-1', generation: 3, digest: update(3).digest }]);
      const failed = { generation: body.generation, at: 2_000, error: expect.stringMatching(why) };
      expect(view.statuses()).toEqual([
        expect.objectContaining({ generation: 3, lastAttempt: failed, lastFailure: failed }),
      ]);
    }
  });

  it('keeps the last failure beside a later success', async () => {
    const settings = open();
    await settings.apply(update(1, 'http://10.0.0.1'), UNSTOPPED).catch(() => undefined);
    expect(settings.running()).toEqual([]);
    expect(settings.statusOf('site-1')).toMatchObject({ generation: 0, digest: digestOf(EMPTY_CONFIG) });
    now = 3_000;
    await settings.apply(update(2), UNSTOPPED);
    expect(settings.statusOf('site-1')).toMatchObject({
      generation: 2,
      lastAttempt: { generation: 2, at: 3_000 },
      lastFailure: { generation: 1, at: 1_000 },
    });
  });
});

describe('what others are told', () => {
  it('is each config that runs or is refused, once, however often its command is repeated', async () => {
    const settings = open();
    await settings.apply(update(1), UNSTOPPED);
    await settings.apply(update(1), UNSTOPPED);
    const wrong = update(2, 'http://10.0.0.1');
    for (const _ of [1, 2]) await settings.apply(wrong, UNSTOPPED).catch(() => undefined);
    await open()
      .apply(wrong, UNSTOPPED)
      .catch(() => undefined);
    const error = expect.stringMatching(/not allowed here/);
    expect(events).toEqual([
      {
        type: 'config_change',
        siteId: 'site-1',
        data: { status: 'applied', generation: 1, digest: update(1).digest },
      },
      {
        type: 'config_change',
        siteId: 'site-1',
        data: { status: 'refused', generation: 2, digest: wrong.digest, error },
      },
    ]);
  });

  it('is told in one transaction with the fact: without the one there is not the other', async () => {
    const settings = open();
    record = () => {
      throw new Error('the disk is full');
    };
    await expect(settings.apply(update(1), UNSTOPPED)).rejects.toThrow('the disk is full');
    await expect(settings.apply(update(1, 'http://10.0.0.1'), UNSTOPPED)).rejects.toThrow('the disk is full');
    for (const view of [settings, open()]) {
      expect([view.running(), view.statuses()]).toEqual([[], []]);
    }
  });
});

describe('a site that is removed', () => {
  it('has no config, and one that is made again begins at generation 1', async () => {
    const settings = open();
    await settings.apply(update(3), UNSTOPPED);
    settings.remove('site-1');
    for (const view of [settings, open()]) {
      expect(view.configOf('site-1')).toBeUndefined();
      expect(view.statuses()).toEqual([]);
    }
    const body = update(1, `${HERE}/again`);
    expect(await settings.apply(body, UNSTOPPED)).toEqual({ generation: 1, digest: body.digest });
  });

  it('is not brought back by a cancelled command that a restart takes up', async () => {
    const settings = open();
    const cancelled = AbortSignal.abort(new Error('the site was deleted'));
    await expect(settings.apply(update(1), cancelled)).rejects.toThrow('the site was deleted');
    expect(settings.statuses()).toEqual([]);
  });
});
