import { expect, it } from 'vitest';
import { syncEventBody } from './entries.ts';

it('an event’s time has no more digits than its sender’s clock: it stands in every list', () => {
  const at = (createdAt: string) =>
    syncEventBody.safeParse({
      type: 'health_check',
      siteId: 'shop',
      data: {},
      createdAt,
      syncedToWorkers: false,
    }).success;
  expect(at('2026-01-01T00:00:00.123456789Z')).toBe(true);
  expect(at(`2026-01-01T00:00:00.${'0'.repeat(60_000)}Z`)).toBe(false);
});
