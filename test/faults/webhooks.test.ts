import { setTimeout as delay } from 'node:timers/promises';
import { listOf, receipt } from '@clawdbot/protocol';
import { expect, test } from 'vitest';
import { type System, withSystem } from '../e2e/harness/system.ts';
import { eventually } from '../eventually.ts';

const system = withSystem();
const TOTAL = 600;
const AT_ONCE = 16;
/** First attempts that a route makes at once: so far one may overtake another on its way to the upstream. */
const FIRST_ATTEMPTS = 16;

/** Sends until it was taken. @returns the receipt */
async function insist(body: string): Promise<string> {
  for (;;) {
    const answer = await system()
      .relay('/webhooks/load', { method: 'POST', body })
      .catch(() => undefined);
    if (answer?.status === 200 || answer?.status === 202) return String(answer.headers.get('x-receipt-id'));
    await delay(100);
  }
}

/** What happens while so many hundredths of the requests are through. */
const FAULTS: Readonly<Record<number, (system: System) => Promise<void>>> = {
  15: () => kill('orchestrator'),
  30: () => kill('edge'),
  45: (it) => it.sandbox.stopPart('upstream'),
  60: () => kill('orchestrator'),
  70: (it) => it.sandbox.startPart('upstream'),
  85: () => kill('orchestrator'),
};

/** One that was killed just now is not there yet. */
async function kill(part: 'edge' | 'orchestrator'): Promise<void> {
  const pid = async () => system().file.pids[part];
  await eventually(`the ${part} runs`, pid, (it) => it !== undefined);
  system().kill(part);
}

const received = async () => {
  const log = await (await fetch(`${system().file.upstreamUrl}/_log`)).json();
  return (log as { receiptId: string }[]).map(({ receiptId }) => receiptId);
};

async function allReceipts() {
  const items = [];
  let next: string | null = '';
  while (next !== null) {
    const query: string = next === '' ? '' : `&after=${next}`;
    const page = listOf(receipt).parse((await system().api(`/api/v1/receipts?limit=200${query}`)).json);
    items.push(...page.items);
    next = page.next;
  }
  return items;
}

test('R2, R4: whatever is killed under load, every request that was taken is delivered, first attempts in order', async () => {
  const taken: string[] = [];
  const numbers = Array.from({ length: TOTAL }, (_, n) => n).values();
  const sender = async () => {
    for (const n of numbers) taken.push(await insist(`lead ${n}`));
  };
  const senders = Promise.all(Array.from({ length: AT_ONCE }, sender));
  for (const [share, fault] of Object.entries(FAULTS)) {
    const reached = async () => taken.length;
    await eventually(`${share} % are taken`, reached, (n) => n >= (TOTAL * Number(share)) / 100, 60_000);
    await fault(system());
  }
  await senders;
  const isThrough = (log: string[]) => taken.every((id) => new Set(log).has(id));
  const first = [...new Set(await eventually('all have arrived', received, isThrough, 60_000))];
  const sorted = [...first].sort();
  const strays = first.map((id, at) => Math.abs(sorted.indexOf(id) - at));
  expect(Math.max(...strays)).toBeLessThanOrEqual(FIRST_ATTEMPTS);
  await eventually(
    'all receipts say so',
    allReceipts,
    (all) => all.every(({ state }) => state === 'delivered'),
    30_000,
  );
}, 240_000);
