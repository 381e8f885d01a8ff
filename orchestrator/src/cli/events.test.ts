import type { Event } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { type Answer, clawctl, passing } from './clawctl.fixture.ts';
import type { Io } from './io.ts';

const eventOf = (n: number, data: Event['data'] = { status: 'applied', generation: n }): Event => ({
  id: `evt_${String(n).padStart(22, '0')}`,
  type: 'config_change',
  orchestratorId: 'vps-1',
  siteId: 'shop',
  data,
  createdAt: `2026-11-01T10:00:0${n % 10}.000Z`,
  receivedAt: 1,
  syncedToWorkers: true,
});

/** As the edge lists them: a place is the number of an event. */
function listing(all: () => readonly Event[]): Answer {
  return ({ url }) => {
    const query = new URL(url).searchParams;
    const ascending = query.get('order') === 'asc';
    const after = Number(query.get('after') ?? (ascending ? 0 : Number.POSITIVE_INFINITY));
    const numbered = all().map((event, index) => ({ event, place: index + 1 }));
    const behind = ascending
      ? numbered.filter(({ place }) => place > after)
      : numbered.filter(({ place }) => place < after).reverse();
    const page = behind.slice(0, Number(query.get('limit')));
    const next = page.at(-1)?.place ?? after;
    return {
      items: page.map(({ event }) => event),
      next: ascending || behind.length > page.length ? String(next) : null,
    };
  };
}

describe('events', () => {
  const happened = [
    eventOf(1),
    eventOf(2, { status: 'refused', generation: 2, error: 'not allowed here' }),
    {
      ...eventOf(3, { status: 'deployed', name: 'tracker', url: 'http://localhost:1' }),
      type: 'worker_deployment',
    } as const,
    {
      ...eventOf(4, {
        status: 'unhealthy',
        checks: [
          { name: 'http://127.0.0.1:4000', ok: false, detail: 'ECONNREFUSED' },
          { name: 'storage', ok: true },
        ],
      }),
      type: 'health_check',
    } as const,
    eventOf(5, { checks: 'of a version to come' }),
  ];
  const edge = () => ({ 'GET /api/v1/events': [listing(() => happened)] });

  it('are listed, the newest first, each in a few words', async () => {
    const { out, error } = await clawctl(['events'], edge());
    expect(error).toBeUndefined();
    expect(out.split('\n')).toEqual([
      'TIME                 TYPE               SITE  EVENT',
      '2026-11-01 10:00:05  config_change      shop  {"checks":"of a version to come"}',
      '2026-11-01 10:00:04  health_check       shop  unhealthy: http://127.0.0.1:4000 (ECONNREFUSED)',
      '2026-11-01 10:00:03  worker_deployment  shop  deployed tracker http://localhost:1',
      '2026-11-01 10:00:02  config_change      shop  refused generation 2: not allowed here',
      '2026-11-01 10:00:01  config_change      shop  applied generation 1',
    ]);
  });

  it('are none when nothing has happened', async () => {
    const quiet = { 'GET /api/v1/events': [listing(() => [])] };
    expect((await clawctl(['events'], quiet)).out).toBe('none');
    expect((await clawctl(['--json', 'events'], quiet)).out).toBe('[]');
  });

  it('are those that were asked for', async () => {
    const args = ['--json', 'events', '--site', 'shop', '--type', 'config_change', '--limit', '1'];
    const { out, seen } = await clawctl(args, edge());
    expect(JSON.parse(out)).toEqual([happened[4]]);
    const query = new URL(seen[0]?.url ?? '').searchParams;
    expect(Object.fromEntries(query)).toEqual({
      site: 'shop',
      type: 'config_change',
      limit: '1',
      order: 'desc',
    });
  });

  it.each([
    [['--limit', '0'], /expected a number from 1 to 200/],
    [['--limit', 'many'], /expected a number from 1 to 200/],
    [['--type', 'lead'], /Allowed choices are worker_deployment, config_change, health_check/],
  ])('are not asked for with %o', async (args, message) => {
    const { err, seen } = await clawctl(['events', ...args], edge());
    expect(err).toMatch(message);
    expect(seen).toEqual([]);
  });
});

describe('events --follow', () => {
  /** Lets `turns` waits pass; the tail has no end of its own. */
  function until(turns: number, then: (turn: number) => void): Pick<Io, 'wait'> {
    let turn = 0;
    return {
      wait: async () => {
        then(++turn);
        if (turn >= turns) throw new Error('Ctrl-C');
      },
    };
  }

  it.each([1, 3, 20])(
    'shows the last %i, then each that happens, in order and once, one per line',
    async (limit) => {
      const all = [eventOf(1), eventOf(2), eventOf(3)];
      const more = until(4, (turn) => all.push(eventOf(turn * 2 + 2), eventOf(turn * 2 + 3)));
      const edge = { 'GET /api/v1/events': [listing(() => all)] };
      const { out } = await clawctl(['--json', 'events', '--follow', '--limit', String(limit)], edge, more);
      const shown = out.split('\n').map((line) => JSON.parse(line).data.generation);
      const first = Math.max(1, 4 - limit);
      expect(shown).toEqual(Array.from({ length: 10 - first }, (_, index) => first + index));
    },
  );

  it('goes on when nothing had happened before', async () => {
    const all: Event[] = [];
    const more = until(2, () => all.push(eventOf(1)));
    const { out } = await clawctl(
      ['events', '--follow'],
      { 'GET /api/v1/events': [listing(() => all)] },
      more,
    );
    expect(out).toBe('2026-11-01 10:00:01  config_change      shop  applied generation 1');
  });

  it('outlives an edge that is away, says so once, and misses nothing', async () => {
    const all = [eventOf(1)];
    const ask = listing(() => all);
    let asked = 0;
    const answer: Answer = (seen) => {
      if (++asked > 1 && asked < 20) throw new TypeError('fetch failed');
      if (asked === 20) all.push(eventOf(2));
      if (asked > 20) return new Response('{}', { status: 403 });
      return ask(seen);
    };
    const { out, err, error } = await clawctl(
      ['events', '--follow'],
      { 'GET /api/v1/events': [answer] },
      passing(),
    );
    expect(out.split('\n')).toHaveLength(2);
    expect(err.split('\n')).toEqual([expect.stringMatching(/does not answer.*asked again/)]);
    expect(String(error)).toMatch('it answered 403');
  });
});
