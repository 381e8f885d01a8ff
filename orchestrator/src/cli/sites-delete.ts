import { counted, type DeletedSite } from '@clawdbot/protocol';
import { insist } from './confirm.ts';
import { type Desk, show } from './desk.ts';
import { CliError } from './io.ts';
import { LIST_LIMIT_MAX } from './limit.ts';
import { queuedText } from './sites.ts';

export interface DeleteOptions {
  readonly force?: true;
  readonly erase?: true;
  readonly yes?: true;
}

/** Says first what is still queued for it, and needs `--force` to give that up; then what outlives it, and asks. */
export async function deleteSite(
  desk: Desk,
  id: string,
  { force, erase, yes }: DeleteOptions,
): Promise<void> {
  if (force !== true) await refuseQueued(desk, id);
  if (!desk.json) await sayServing(desk, id);
  if (yes !== true)
    await insist(desk, `Delete ${id}?`, `this deletes ${id} for good: say --yes if you mean it`);
  const done = await desk.edge.deleteSite(id, { force: force === true, erase: erase === true });
  show(desk, done, () => deletedText(done, erase === true));
}

async function refuseQueued(desk: Desk, id: string): Promise<void> {
  const queued = await desk.edge.siteQueued(id);
  if (queued.receipts + queued.commands === 0) return;
  throw new CliError(`${id} has ${queuedText(queued)}: wait for them, or give them up with --force`);
}

/** A site's end takes no Worker out of the Cloudflare account. */
async function sayServing({ edge, io }: Desk, id: string): Promise<void> {
  const { items } = await edge.deployments({ site: id, limit: LIST_LIMIT_MAX });
  const names = new Set(items.filter(({ state }) => state === 'succeeded').map(({ name }) => name));
  if (names.size === 0) return;
  io.err(
    `these Workers of ${id} serve on at Cloudflare, and nobody looks after them: ${[...names].join(', ')} ("wrangler delete --name <worker>" takes one away)`,
  );
}

function deletedText({ siteId, receipts, commands }: DeletedSite, erase: boolean): string {
  const content = erase
    ? `what customers sent was erased in ${counted(receipts.erased, 'receipt')}`
    : `what customers sent is kept in ${counted(receipts.kept, 'receipt')} until its time is over`;
  return `${siteId} is deleted: ${counted(receipts.undelivered, 'stored request was', 'stored requests were')} given up, ${counted(commands.cancelled, 'command')} cancelled and ${commands.left} ${commands.left === 1 ? 'is' : 'are'} being stopped; ${content}`;
}
