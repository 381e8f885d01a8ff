import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Evacuation,
  evacuation,
  isMoveOver,
  receiptTicket,
  type SiteMove,
  site,
  siteMove,
} from '@clawdbot/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import type { Posted } from '../faults/webhooks/flood.ts';
import { compare, type Received } from '../faults/webhooks/judge.ts';
import type { Part } from '../sandbox/processes/part.ts';
import { startSecond } from './harness/second.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();
const SECOND = 'second-vps';
let second: Part;
beforeAll(async () => {
  second = await startSecond(system(), SECOND);
});
afterAll(() => second?.stop());

const PER_SECOND = 100;
const SECONDS = 4;

const received = async () =>
  (await (await fetch(`${system().file.upstreamUrl}/_log`)).json()) as (Received & { at: number })[];
const over = (id: string): Promise<SiteMove> =>
  eventually(
    'the move is over',
    async () => siteMove.parse((await system().api(`/api/v1/moves/${id}`)).json),
    isMoveOver,
  );

/** A customer who posts once, and whose request must be taken. */
async function post(n: number): Promise<Posted & { readonly takenMs: number }> {
  const [path, body] = [`/webhooks/${n}`, `lead ${n}`];
  const began = performance.now();
  const answer = await system().relay(path, { method: 'POST', body });
  expect([200, 202], answer.text).toContain(answer.status);
  const receiptId = answer.headers.get('x-receipt-id') ?? receiptTicket.parse(answer.json).receiptId;
  const sha256 = createHash('sha256').update(body).digest('hex');
  return { path, sha256, receiptId, takenMs: performance.now() - began };
}

/** The longest time in which nothing arrived. */
const longestGapMs = (log: readonly { readonly at: number }[]): number =>
  Math.max(...log.slice(1).map(({ at }, n) => at - (log[n]?.at ?? at)));

test('a site is moved under steady webhooks: none is missing, first attempts in order, the pause short', async () => {
  const { siteId } = system().file;
  const posts: Promise<Posted & { readonly takenMs: number }>[] = [];
  const began = performance.now();
  let moving: Promise<SiteMove> | undefined;
  for (let n = 0; n < PER_SECOND * SECONDS; n++) {
    await delay(Math.max(0, began + (n * 1_000) / PER_SECOND - performance.now()));
    posts.push(post(n));
    if (n !== PER_SECOND) continue;
    const path = `/api/v1/sites/${siteId}/move`;
    moving = system()
      .api(path, { body: { orchestratorId: SECOND } })
      .then(({ json }) => over(siteMove.parse(json).id));
  }
  const posted = await Promise.all(posts);
  const move = await moving;
  expect(move).toMatchObject({ state: 'moved', from: 'demo-vps', to: SECOND });

  const all = await eventually(
    'all have arrived',
    received,
    (log) => compare(posted, log).missing.length === 0,
  );
  const verdict = compare(posted, all);
  expect(verdict).toMatchObject({ missing: [], strangers: [], changed: [] });
  expect(verdict.displacement).toBeLessThanOrEqual(16);
  const by = Object.groupBy(posted, ({ receiptId }) => receiptId.split('_')[1] ?? '');
  expect(Object.keys(by).sort()).toEqual(['demo-vps', SECOND]);
  const gapMs = longestGapMs(all);
  const slowestMs = Math.round(Math.max(...posted.map(({ takenMs }) => takenMs)));
  console.info(
    `paused ${move?.pausedMs} ms, nothing arrived for ${gapMs} ms at most, the slowest answer took ${slowestMs} ms, ${verdict.repeats} repeats, out of order by ${verdict.displacement}`,
  );
  expect(move?.pausedMs).toBeLessThan(1_000);
  expect(gapMs).toBeLessThan(1_000);
  const found = site.parse((await system().api(`/api/v1/sites/${siteId}`)).json);
  expect(found.orchestratorId).toBe(SECOND);
  // What is not stored is answered by the new orchestrator, too.
  expect((await system().relay('/echo')).status).toBe(200);
});

test('the sites of an orchestrator that is gone for good are brought to another, with all that waits', async () => {
  await second.stop();
  const posted: Posted[] = [];
  for (let n = 1_000; n < 1_020; n++) posted.push(await post(n));
  const path = `/api/v1/orchestrators/${SECOND}/evacuate`;
  const { json } = await system().api(path, { body: { orchestratorId: 'demo-vps' } });
  const { moves, refused, next }: Evacuation = evacuation.parse(json);
  expect([moves.length, refused, next]).toEqual([1, [], null]);
  expect(await over(moves[0]?.id ?? '')).toMatchObject({ state: 'moved', to: 'demo-vps' });
  const ours = async () => (await received()).filter(({ path }) => /\/10\d\d$/.test(path));
  const log = await eventually('all have arrived', ours, (it) => compare(posted, it).missing.length === 0);
  expect(compare(posted, log)).toMatchObject({ strangers: [], changed: [], repeats: 0 });
  await system().works();
});
