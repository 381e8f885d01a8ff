import { afterEach, expect, it, vi } from 'vitest';
import { readSite } from './reads.ts';

afterEach(() => vi.unstubAllGlobals());

const answering = (status: number, detail: string) =>
  vi.stubGlobal('fetch', async () =>
    Response.json(
      { type: 'about:blank', title: 't', status, code: 'not_found', detail, retryable: false },
      { status },
    ),
  );

it('a site that was deleted is no trouble, but said in the edge’s words', async () => {
  answering(404, 'the site "shop" was deleted');
  expect(await readSite('shop')).toEqual({ gone: 'the site "shop" was deleted' });
});

it('an edge that cannot say is trouble', async () => {
  answering(503, 'later');
  await expect(readSite('shop')).rejects.toThrow('later');
});
