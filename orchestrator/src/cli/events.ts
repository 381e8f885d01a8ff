import type { Event } from '@clawdbot/protocol';
import { z } from 'zod';
import { type Desk, show, when } from './desk.ts';
import { type EventQuery, Unreachable } from './edge.ts';
import { type Io, list } from './io.ts';

export interface EventsOptions {
  readonly site?: string;
  readonly type?: string;
  readonly limit: number;
  readonly follow?: true;
}

const POLL_MS = 1_000;
/** The most that the edge gives at once. */
const PAGE = 200;

/** The newest events; with `follow` oldest first, and then whatever happens, until the command is ended. */
export async function events(desk: Desk, { limit, follow, ...filter }: EventsOptions): Promise<void> {
  if (follow === true) return tail(desk, filter, limit);
  const { items } = await desk.edge.events({ ...filter, limit, order: 'desc' });
  show(desk, items, () => list(['TIME', 'TYPE', 'SITE', 'EVENT'], items.map(cells)));
}

/** The list oldest first has no end: its `next` says where to go on, so that none is missed or shown twice. */
async function tail({ edge, io, json }: Desk, filter: EventQuery, limit: number): Promise<never> {
  const print = (event: Event): void => io.out(json ? JSON.stringify(event) : line(event));
  const last = await edge.events({ ...filter, limit, order: 'desc' });
  for (const event of last.items.toReversed()) print(event);
  // A page's `next` is the place of its last event: of these that is the oldest, so they come once more.
  const shown = new Set(last.items.map(({ id }) => id));
  let after = last.next ?? undefined;
  for (;;) {
    const page = await patiently(() => edge.events({ ...filter, after, limit: PAGE, order: 'asc' }), io);
    for (const event of page.items) if (!shown.has(event.id)) print(event);
    after = page.next ?? after;
    if (page.items.length < PAGE) await io.wait(POLL_MS);
  }
}

/** An edge that is away for a while does not end a tail: it is said once. */
async function patiently<T>(ask: () => Promise<T>, io: Io): Promise<T> {
  for (let told = false; ; told = true) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      if (!told) io.err(`${error.message} It is asked again until it does.`);
      await io.wait(POLL_MS);
    }
  }
}

const TYPE_WIDTH = 'worker_deployment'.length;

function line(event: Event): string {
  const [time = '', type = '', ...rest] = cells(event);
  return [time, type.padEnd(TYPE_WIDTH), ...rest].join('  ');
}

const cells = (event: Event): string[] => [
  when(Date.parse(event.createdAt)),
  event.type,
  event.siteId,
  summary(event),
];

/** What our own events say in `data`; another orchestrator's version may say other things. */
const said = z.object({
  status: z.string().optional(),
  name: z.string().optional(),
  generation: z.int().optional(),
  url: z.string().optional(),
  error: z.string().optional(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })).optional(),
});

function summary({ data }: Event): string {
  const known = said.safeParse(data).data;
  if (known === undefined) return JSON.stringify(data);
  const { status, name, generation, url, error, checks = [] } = known;
  const failed = checks
    .filter(({ ok }) => !ok)
    .map((check) => (check.detail === undefined ? check.name : `${check.name} (${check.detail})`));
  const what = [status, name, generation === undefined ? undefined : `generation ${generation}`, url];
  const why = [error, ...failed].filter(Boolean).join(', ');
  return what.filter(Boolean).join(' ') + (why === '' ? '' : `: ${why}`);
}
