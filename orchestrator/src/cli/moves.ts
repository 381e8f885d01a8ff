import { counted, type Evacuation, isMoveOver, type SiteMove } from '@clawdbot/protocol';
import { type Desk, show } from './desk.ts';
import { CliError, list } from './io.ts';

const POLL_MS = 250;

export interface MoveOptions {
  readonly detach?: true;
  readonly cancel?: true;
}

/** Moves a site, and waits until it is there, or says why it stays. Or takes it back. */
export async function moveSite(
  desk: Desk,
  id: string,
  to: string | undefined,
  { detach, cancel }: MoveOptions,
): Promise<void> {
  if (cancel) return cancelMove(desk, id);
  if (to === undefined) throw new CliError(`where to? clawctl sites move ${id} <orchestrator>`);
  const begun = await desk.edge.moveSite(id, to);
  if (detach) return show(desk, begun, () => line(begun));
  desk.io.err(line(begun));
  const ended = await outcomeOf(desk, begun);
  if (ended.state === 'undone')
    throw new CliError(`${id} stays on ${ended.from}: ${ended.reason ?? 'undone'}`);
  show(desk, ended, () => line(ended));
}

/** Takes a site back from where it is being moved to. Throws when it is there already. */
async function cancelMove(desk: Desk, id: string): Promise<void> {
  const [last] = (await desk.edge.movesOf(id)).items;
  if (last === undefined) throw new CliError(`${id} was never moved`);
  const ended = await outcomeOf(desk, await desk.edge.cancelMove(last.id));
  if (ended.state === 'moved') throw new CliError(`too late: ${line(ended)}`);
  show(desk, ended, () => `${id} stays on ${ended.from}: ${ended.reason ?? 'undone'}`);
}

/** Moves all sites of an orchestrator, which may be gone, and sums up. */
export async function evacuate(desk: Desk, id: string, to: string): Promise<void> {
  const moves: SiteMove[] = [];
  const refused: Evacuation['refused'] = [];
  let after: string | undefined;
  do {
    const page = await desk.edge.evacuate(id, to, after);
    moves.push(...page.moves);
    refused.push(...page.refused);
    after = page.next ?? undefined;
  } while (after !== undefined);
  desk.io.err(`${counted(moves.length, 'move has', 'moves have')} begun`);
  const ended: SiteMove[] = [];
  for (const move of moves) ended.push(await outcomeOf(desk, move));
  const moved = ended.filter(({ state }) => state === 'moved');
  show(desk, { moves: ended, refused }, () => {
    const rows = [
      ...ended.map(({ siteId, state, receipts, pausedMs, reason }) => [
        siteId,
        state,
        String(receipts),
        pausedMs === undefined ? '' : `${pausedMs} ms`,
        reason ?? '',
      ]),
      ...refused.map(({ siteId, reason }) => [siteId, 'refused', '', '', reason]),
    ];
    const total = `${moved.length} of ${counted(rows.length, 'site')} of ${id} ${moved.length === 1 ? 'is' : 'are'} on ${to} now`;
    return `${list(['SITE', 'STATE', 'RECEIPTS', 'PAUSE', 'WHY'], rows)}\n\n${total}`;
  });
  if (moved.length < ended.length + refused.length)
    throw new CliError('not all sites were moved: see above, and ask again');
}

async function outcomeOf(desk: Desk, begun: SiteMove): Promise<SiteMove> {
  let move = begun;
  let said: string | undefined;
  while (!isMoveOver(move)) {
    if (move.state === 'preparing' && move.reason !== undefined && move.reason !== said)
      desk.io.err(`${move.siteId} waits: ${move.reason}`);
    said = move.reason;
    await desk.io.wait(POLL_MS);
    move = await desk.edge.siteMove(begun.id);
  }
  return move;
}

function line({ siteId, from, to, state, receipts, commands, workers, pausedMs }: SiteMove): string {
  const what = `${siteId}: ${state}, ${from} → ${to}`;
  if (state !== 'moved') return what;
  const also =
    commands === 0 ? '' : ` and ${counted(commands, 'command that was', 'commands that were')} not sent yet`;
  const taken =
    workers === 0
      ? ''
      : `; ${to} takes over ${counted(workers, 'Worker')}: clawctl deployments --site ${siteId}`;
  const pause = pausedMs === undefined ? '' : `; its stored requests waited for ${pausedMs} ms`;
  return `${what}, with ${counted(receipts, 'receipt')}${also}${pause}${taken}`;
}
