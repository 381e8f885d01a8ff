import { digestOf, EMPTY_CONFIG } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { refusals } from './config-words.ts';

const site = (generation: number, failed: number, failures: number) => ({
  ...{ siteId: 'shop', generation, digest: digestOf(EMPTY_CONFIG) },
  lastFailure: { generation: failed, at: 1, error: 'not allowed here', failures },
});

it('a refused config is told with its reason, its count, and what runs instead', () => {
  expect(refusals([site(7, 8, 1), site(0, 1, 2), site(7, 8, 3)]).map(({ words }) => words)).toEqual([
    'Config generation 8 was refused: not allowed here (generation 7 runs)',
    'Config generation 1 was refused 2 times: not allowed here (no config runs)',
    'Config generation 8 was refused 3 times, and is not sent again before it is edited: not allowed here (generation 7 runs)',
  ]);
});

it('one that a newer generation has mended is not told any more', () => {
  expect(refusals([site(9, 8, 3), { siteId: 'a', generation: 1, digest: digestOf(1) }])).toEqual([]);
});
