import type { Receipt, ReceiptState } from '@clawdbot/protocol';
import { type Desk, show, when } from './desk.ts';
import { asJson, CliError, list } from './io.ts';

/** Which receipts are listed, and how many. */
export interface ReceiptsOptions {
  readonly site?: string;
  readonly state?: ReceiptState;
  readonly path?: string;
  readonly find?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
}

/** Newest first. A search goes on, page after page, until it has as many as were asked for or all was looked into. */
export async function listReceipts(desk: Desk, options: ReceiptsOptions): Promise<void> {
  const { find: q, since, until, limit, ...rest } = options;
  const query = { ...rest, q, from: timeOf(since), to: timeOf(until) };
  const items: Receipt[] = [];
  let next: string | null | undefined;
  do {
    const page = await desk.edge.receipts({
      ...query,
      limit: limit - items.length,
      after: next ?? undefined,
    });
    items.push(...page.items);
    next = page.next;
  } while (next !== null && items.length < limit);
  show(desk, items, () => {
    const rows = items.map(({ id, siteId, route, state, attempts, receivedAt, lastError }) => [
      id,
      siteId,
      route,
      state,
      when(receivedAt),
      String(attempts),
      lastError ?? '',
    ]);
    return list(['RECEIPT', 'SITE', 'ROUTE', 'STATE', 'RECEIVED', 'TRIES', 'WHY'], rows);
  });
  if (next !== null) desk.io.err('there are more: raise --limit, or look for less');
}

/** One receipt with its history. */
export async function showReceipt(desk: Desk, id: string): Promise<void> {
  desk.io.out(asJson(await desk.edge.receipt(id)));
}

/** Has what has ended delivered once more. */
export async function redeliver(desk: Desk, id: string): Promise<void> {
  const receipt = await desk.edge.redeliver(id);
  show(desk, receipt, () => `${id} is delivered once more, under the same key`);
}

export interface EraseOptions {
  readonly site?: string;
  readonly value?: string;
  readonly all?: true;
}

/** Of one receipt, of all of a site in which a value stands, or of all of a site: what the customers sent. */
export async function eraseReceipts(
  desk: Desk,
  id: string | undefined,
  options: EraseOptions,
): Promise<void> {
  if (id !== undefined) {
    const receipt = await desk.edge.eraseReceipt(id);
    show(desk, receipt, () => `${id} is erased`);
    return;
  }
  const { site, value, all } = options;
  if (site === undefined || (value === undefined) !== (all === true)) {
    throw new CliError('name a receipt, or --site with --value <text> or with --all');
  }
  let erased = 0;
  let after: string | undefined;
  do {
    const step = await desk.edge.eraseReceipts({ site, value, after });
    erased += step.erased;
    after = step.next ?? undefined;
  } while (after !== undefined);
  show(desk, { erased }, () => `${erased} erased`);
}

/** Milliseconds since the epoch; what JavaScript reads as a date. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new CliError(`"${text}" is no date: write 2026-11-23 or 2026-11-23T12:00Z`);
  return at;
}
