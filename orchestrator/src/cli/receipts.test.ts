import type { Receipt } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { clawctl } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

const ID = 'rcpt_vps-1_0mwx6d8e5wwj0akes8ehzm';
const receipt: Receipt = {
  id: ID,
  siteId: 'shop',
  route: '/webhooks/*',
  state: 'dead',
  attempts: 5,
  lastError: 'the upstream answered 400',
  bytes: 300,
  receivedAt: Date.parse('2026-11-01T10:00:00Z'),
  expiresAt: Date.parse('2026-11-04T10:00:00Z'),
  history: [],
};
const edge = {
  'GET /api/v1/receipts': [() => ({ items: [receipt], next: null })],
  [`GET /api/v1/receipts/${ID}`]: [() => receipt],
  [`POST /api/v1/receipts/${ID}/redeliver`]: [() => ({ ...receipt, state: 'stored' })],
  [`POST /api/v1/receipts/${ID}/erase`]: [() => ({ ...receipt, state: 'erased' })],
};

describe('receipts', () => {
  it('are listed', async () => {
    const { out, err } = await clawctl(['receipts', 'list', '--state', 'dead'], edge);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^RECEIPT +SITE +ROUTE +STATE +RECEIVED +TRIES +WHY$/),
      `${ID}  shop  /webhooks/*  dead   2026-11-01 10:00:00  5      the upstream answered 400`,
    ]);
    expect(err).toBe('');
  });

  it('are looked for until there are enough, though a page may be empty', async () => {
    const pages = [() => ({ items: [], next: 'a' }), () => ({ items: [receipt], next: 'b' })];
    const args = ['receipts', '--site', 'shop', '--find', 'zoe@example.com', '--limit', '1'];
    const { seen, err } = await clawctl([...args, '--since', '2026-11-01'], {
      'GET /api/v1/receipts': pages,
    });
    const [first, second] = seen.map(({ url }) => Object.fromEntries(new URL(url).searchParams));
    const asked = { site: 'shop', q: 'zoe@example.com', from: String(Date.parse('2026-11-01')), limit: '1' };
    expect([first, second]).toEqual([asked, { ...asked, after: 'a' }]);
    expect(err).toMatch(/there are more/);
  });

  it.each([
    ['redeliver', 'is delivered once more'],
    ['erase', 'is erased'],
  ])('%s acts on one', async (act, said) => {
    expect((await clawctl(['receipts', act, ID], edge)).out).toContain(`${ID} ${said}`);
  });

  it('are erased by a value, step by step', async () => {
    const steps = [() => ({ erased: 2, next: 'x' }), () => ({ erased: 1, next: null })];
    const args = ['receipts', 'erase', '--site', 'shop', '--value', 'zoe@example.com'];
    const { out, seen } = await clawctl(args, { 'POST /api/v1/receipts/erase': steps });
    expect(out).toBe('3 erased');
    expect(seen.map(({ body }) => body)).toEqual([
      { site: 'shop', value: 'zoe@example.com' },
      { site: 'shop', value: 'zoe@example.com', after: 'x' },
    ]);
  });

  it.each([[[]], [['--site', 'shop']], [['--site', 'shop', '--value', 'zoe', '--all']]])(
    'are not erased by chance: %o',
    async (options) => {
      const { error, seen } = await clawctl(['receipts', 'erase', ...options], edge);
      expect([error instanceof CliError, seen]).toEqual([true, []]);
    },
  );
});
