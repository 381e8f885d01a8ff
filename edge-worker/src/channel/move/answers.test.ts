import { describe, expect, it } from 'vitest';
import { from, ownScene, rows, scene, siteId, to } from './luggage.fixture.ts';
import type { Vps } from './vps.fixture.ts';

ownScene('answers');

describe('answers that are kept for when nobody is there', () => {
  const keep = (url: string, at: number, site = siteId) =>
    rows(
      from,
      `INSERT INTO stale_answers (site_id, url, vary, variant, status, headers, bytes, at, body)
       VALUES (?1, ?2, '[]', '[]', 200, '[]', 10, ?3, zeroblob(10))`,
      ...[site, url, at],
    );
  const kept = async (at: Vps) =>
    (await rows(at, `SELECT url FROM stale_answers ORDER BY at`)).map(({ url }) => url);

  it('go along, and the other sites’ stay', async () => {
    await keep('/a', 1);
    await keep('/b', 2);
    await keep('/c', 3, 'another');
    await to.connect();
    await scene.over(await scene.move());
    expect([await kept(from), await kept(to)]).toEqual([['/c'], ['/a', '/b']]);
  });

  it('go along up to 32 MiB, those that were renewed last', async () => {
    await rows(
      from,
      `WITH RECURSIVE counted (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < 33)
       INSERT INTO stale_answers (site_id, url, vary, variant, status, headers, bytes, at, body)
       SELECT ?, '/' || n, '[]', '[]', 200, '[]', 1048576, n, zeroblob(1048576) FROM counted`,
      siteId,
    );
    await to.connect();
    await scene.over(await scene.move());
    expect(await kept(to)).toEqual(Array.from({ length: 31 }, (_, n) => `/${n + 3}`));
  });

  it('go from there when the move is undone', async () => {
    await keep('/a', 1);
    to.refusal = 'not here';
    await to.connect();
    expect((await scene.over(await scene.move())).state).toBe('undone');
    expect([await kept(from), await kept(to)]).toEqual([['/a'], []]);
  });
});
