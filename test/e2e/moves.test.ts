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
const WORKER = {
  name: 'moved-along',
  mainModule: 'i.js',
  modules: { 'i.js': `export default { fetch: () => new Response('hello') };` },
  compatibilityDate: '2026-01-01',
};
let second: Part;
beforeAll(async () => {
  second = await startSecond(system(), SECOND);
  const { json } = await system().act('deploy_worker', WORKER);
  await system().finished(json.data.commandId);
});
afterAll(() => second?.stop());

const PER_SECOND = 100;

const received = async () =>
  (await (await fetch(`${system().file.upstreamUrl}/_log`)).json()) as (Received & { at: string })[];
const over = (id: string): Promise<SiteMove> =>
  eventually(
    'the move is over',
    async () => siteMove.parse((await system().api(`/api/v1/moves/${id}`)).json),
    isMoveOver,
  );

/** The Worker of the site as an orchestrator has it under management. */
const takenOver = (orchestratorId: string) =>
  eventually(
    `the Worker is ${orchestratorId}'s`,
    async () => (await system().api(`/api/v1/orchestrators/${orchestratorId}`)).json.status?.workers?.[0],
    (worker) => worker?.siteId === system().file.siteId && worker.state === 'deployed',
  );

/** A customer who posts once, and whose request must be taken. */
async function post(n: number): Promise<Posted> {
  const [path, body] = [`/webhooks/${n}`, `lead ${n}`];
  const answer = await system().relay(path, { method: 'POST', body });
  expect([200, 202], answer.text).toContain(answer.status);
  const receiptId = answer.headers.get('x-receipt-id') ?? receiptTicket.parse(answer.json).receiptId;
  return { path, receiptId, sha256: createHash('sha256').update(body).digest('hex') };
}

/** The longest time in which nothing arrived. */
function longestGapMs(log: readonly { readonly at: string }[]): number {
  const times = log.map(({ at }) => Date.parse(at));
  return Math.max(...times.slice(1).map((at, n) => at - (times[n] ?? at)));
}

/** Posts at a steady rate while a site is moved, and for a second before and after it. */
async function moveUnderLoad(to: string): Promise<{ posted: Posted[]; move: SiteMove }> {
  const posts: Promise<Posted>[] = [];
  const began = performance.now();
  const postUntil = async (isEnough: () => boolean) => {
    while (!isEnough()) {
      await delay(Math.max(0, began + (posts.length * 1_000) / PER_SECOND - performance.now()));
      posts.push(post(posts.length));
    }
  };
  await postUntil(() => posts.length >= PER_SECOND);
  const ended = { is: false };
  const path = `/api/v1/sites/${system().file.siteId}/move`;
  const moving = system()
    .api(path, { body: { orchestratorId: to } })
    .then(({ json }) => over(siteMove.parse(json).id))
    .finally(() => {
      ended.is = true;
    });
  await postUntil(() => ended.is);
  const byThen = posts.length;
  await postUntil(() => posts.length >= byThen + PER_SECOND);
  return { posted: await Promise.all(posts), move: await moving };
}

test('a site is moved under steady webhooks: none is missing, first attempts in order, the pause short', async () => {
  const { posted, move } = await moveUnderLoad(SECOND);
  expect(move).toMatchObject({ state: 'moved', from: 'demo-vps', to: SECOND, workers: 1 });
  const isThere = (log: Received[]) => compare(posted, log).missing.length === 0;
  const log = await eventually('all have arrived', received, isThere);
  const { displacement, repeats, ...verdict } = compare(posted, log);
  console.info(
    `${posted.length} posted; sending paused for ${move.pausedMs} ms, nothing arrived for ${longestGapMs(log)} ms at most; ${repeats} repeats, out of order by ${displacement}`,
  );
  expect(verdict).toMatchObject({ missing: [], strangers: [], changed: [] });
  // So many first attempts are under way at once.
  expect(displacement).toBeLessThanOrEqual(16);
  expect(move.pausedMs).toBeLessThan(1_000);
  const takenBy = new Set(posted.map(({ receiptId }) => receiptId.split('_')[1]));
  expect(takenBy).toEqual(new Set(['demo-vps', SECOND]));
  const { orchestratorId } = site.parse((await system().api(`/api/v1/sites/${move.siteId}`)).json);
  expect(orchestratorId).toBe(SECOND);
  expect(await takenOver(SECOND)).toMatchObject({ name: WORKER.name, proof: 'reachable' });
  // What is not stored is answered by the new orchestrator, too.
  expect((await system().relay('/echo')).status).toBe(200);
});

test('the sites of an orchestrator that is gone for good are brought to another, with all that waits', async () => {
  await second.stop();
  const posted: Posted[] = [];
  for (let n = 10_000; n < 10_020; n++) posted.push(await post(n));
  const path = `/api/v1/orchestrators/${SECOND}/evacuate`;
  const { json } = await system().api(path, { body: { orchestratorId: 'demo-vps' } });
  const { moves, refused, next }: Evacuation = evacuation.parse(json);
  expect([moves.length, refused, next]).toEqual([1, [], null]);
  expect(await over(moves[0]?.id ?? '')).toMatchObject({ state: 'moved', to: 'demo-vps', workers: 1 });
  const ours = async () => (await received()).filter((it) => /\/100\d\d$/.test(it.path));
  const isThere = (log: Received[]) => compare(posted, log).missing.length === 0;
  const log = await eventually('all have arrived', ours, isThere);
  expect(compare(posted, log)).toMatchObject({ strangers: [], changed: [], repeats: 0 });
  expect(await takenOver('demo-vps')).toMatchObject({ name: WORKER.name });
  await system().works();
});
