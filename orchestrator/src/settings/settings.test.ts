import { digestOf, EMPTY_CONFIG, type UpdateConfig } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseAllow } from '../relay/allow.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import type { NewEvent } from '../sync/index.ts';
import { createSettings } from './settings.ts';

const HERE = 'http://127.0.0.1:9000';

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
  it('makes it the one that runs, and still after a restart', () => {
    const body = update(3);
    expect(open().apply(body)).toEqual({ generation: 3, digest: body.digest });
    const restarted = open();
    expect(restarted.configOf('site-1')).toEqual(body.config);
    expect(restarted.running()).toEqual([{ siteId: 'site-1', generation: 3, digest: body.digest }]);
  });

  it('answers a generation that runs already with success, so that a cut-off command may be repeated', () => {
    const settings = open();
    settings.apply(update(3));
    expect(settings.apply(update(3))).toMatchObject({ generation: 3 });
    expect(settings.apply(update(2))).toMatchObject({ generation: 3 });
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
      /config\.routes\[0\]\.upstream: expected http/,
    ],
  ])('refuses %s, says why, and keeps the last good one', (_what, body, why) => {
    const settings = open();
    settings.apply(update(3));
    now = 2_000;
    expect(() => settings.apply(body)).toThrow(
      expect.objectContaining({ code: 'config_refused', message: expect.stringMatching(why) }),
    );
    for (const view of [settings, open()]) {
      expect(view.running()).toEqual([{ siteId: 'site-1', generation: 3, digest: update(3).digest }]);
      const failed = {
        generation: body.generation,
        at: 2_000,
        error: expect.stringMatching(why),
        failures: 1,
      };
      expect(view.statuses()).toEqual([
        expect.objectContaining({ generation: 3, lastAttempt: failed, lastFailure: failed }),
      ]);
    }
  });

  it('keeps the last failure beside a later success', () => {
    const settings = open();
    expect(() => settings.apply(update(1, 'http://10.0.0.1'))).toThrow();
    expect(settings.running()).toEqual([]);
    expect(settings.statusOf('site-1')).toMatchObject({ generation: 0, digest: digestOf(EMPTY_CONFIG) });
    now = 3_000;
    settings.apply(update(2));
    expect(settings.statusOf('site-1')).toMatchObject({
      generation: 2,
      lastAttempt: { generation: 2, at: 3_000 },
      lastFailure: { generation: 1, at: 1_000 },
    });
  });
});

describe('a generation that is refused again', () => {
  it('is counted, also by the next process, and another one begins anew', () => {
    const wrong = update(1, 'http://10.0.0.1');
    for (const failures of [1, 2, 3]) {
      const settings = open();
      expect(() => settings.apply(wrong)).toThrow();
      expect(settings.statusOf('site-1')?.lastFailure).toMatchObject({ generation: 1, failures });
    }
    expect(() => open().apply(update(2, 'http://10.0.0.1'))).toThrow();
    expect(open().statusOf('site-1')?.lastFailure).toMatchObject({ generation: 2, failures: 1 });
  });
});

describe('what others are told', () => {
  it('is each config that runs or is refused, once, however often its command is repeated', () => {
    const settings = open();
    settings.apply(update(1));
    settings.apply(update(1));
    const wrong = update(2, 'http://10.0.0.1');
    for (const view of [settings, settings, open()]) expect(() => view.apply(wrong)).toThrow();
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

  it('is told in one transaction with the fact: without the one there is not the other', () => {
    const settings = open();
    record = () => {
      throw new Error('the disk is full');
    };
    expect(() => settings.apply(update(1))).toThrow('the disk is full');
    expect(() => settings.apply(update(1, 'http://10.0.0.1'))).toThrow('the disk is full');
    for (const view of [settings, open()]) {
      expect([view.running(), view.statuses()]).toEqual([[], []]);
    }
  });
});

describe('a transaction that is rolled back', () => {
  it('leaves what ran before, once it is read again', () => {
    const settings = open();
    settings.apply(update(1));
    expect(() =>
      sql.transaction(() => {
        settings.apply(update(2));
        throw new Error('the disk is full');
      }),
    ).toThrow('the disk is full');
    settings.reload();
    expect(settings.running()).toMatchObject([{ generation: 1 }]);
    settings.apply(update(2));
    expect(open().running()).toMatchObject([{ generation: 2 }]);
  });
});

describe('a site that is removed', () => {
  it('has no config, and one that is made again begins at generation 1', () => {
    const settings = open();
    settings.apply(update(3));
    settings.remove('site-1');
    for (const view of [settings, open()]) {
      expect(view.configOf('site-1')).toBeUndefined();
      expect(view.statuses()).toEqual([]);
    }
    const body = update(1, `${HERE}/again`);
    expect(settings.apply(body)).toEqual({ generation: 1, digest: body.digest });
  });
});
