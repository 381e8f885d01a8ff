import { describe, expect, it } from 'vitest';
import { fresh } from '../edge.fixture.ts';
import { list, made, ownTenant, refused, tenant } from './sites.fixture.ts';

ownTenant();

describe('the list of sites', () => {
  it('goes on behind its cursor, by id, to the end', async () => {
    const ids = [fresh('shop'), fresh('shop'), fresh('shop')].sort();
    for (const id of ids) await made({ id });
    const first = await list('?limit=2');
    expect(first).toEqual({ ids: ids.slice(0, 2), next: ids[1] });
    expect(await list(`?limit=2&after=${first.next}`)).toEqual({ ids: ids.slice(2), next: null });
    expect(await list('?limit=3')).toEqual({ ids, next: null });
  });

  it('is filtered by labels, all of which a site must have', async () => {
    const both = await made({ id: fresh('shop'), labels: { tier: 'gold', 'team/x.y': 'a:b' } });
    const one = await made({ id: fresh('shop'), labels: { tier: 'gold' } });
    expect((await list('?label=tier:gold')).ids.sort()).toEqual([both.id, one.id].sort());
    expect((await list('?label=tier:gold&label=team/x.y:a:b')).ids).toEqual([both.id]);
    expect((await list('?label=tier:silver')).ids).toEqual([]);
  });

  it.each(['?limit=0', '?limit=201', '?limit=x', '?label=nocolon', '?unknown=1'])(
    '%s is 400',
    async (query) => {
      expect(await refused(await tenant.call('GET', `/sites${query}`))).toEqual([400, 'bad_request']);
    },
  );
});
