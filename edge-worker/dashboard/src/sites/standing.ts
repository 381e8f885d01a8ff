import type { LiveOrchestrator, Site, SiteMove, SiteStatus, WorkerStatus } from '@clawdbot/protocol';
import { isMoveOver } from '@clawdbot/protocol';
import type { Picture } from '../live/picture.ts';
import { refusals } from '../view/config-words.ts';
import { inOrder, type Standing, standingOf } from '../view/worker-words.ts';

/** What the live picture has of a site. */
export interface SiteFacts {
  readonly orchestrator?: LiveOrchestrator;
  readonly status?: SiteStatus;
  readonly workers: readonly WorkerStatus[];
  /** The one under way, else the last one that has ended lately. */
  readonly move?: SiteMove;
}

/** Of all sites, by id: made once for each picture, not for each row. */
export class SiteIndex {
  readonly #orchestrators: ReadonlyMap<string, LiveOrchestrator>;
  readonly #statuses = new Map<string, SiteStatus>();
  readonly #workers = new Map<string, WorkerStatus[]>();
  readonly #moves = new Map<string, SiteMove>();

  constructor({ orchestrators, moves }: Pick<Picture, 'orchestrators' | 'moves'>) {
    this.#orchestrators = new Map(orchestrators.map((orchestrator) => [orchestrator.id, orchestrator]));
    for (const { id, status } of orchestrators) {
      for (const site of status?.sites ?? []) this.#statuses.set(`${id} ${site.siteId}`, site);
      for (const worker of status?.workers ?? []) this.#addWorker(id, worker);
    }
    // In the picture's order those under way come first, and of the others the newest.
    for (const move of moves.toReversed()) this.#moves.set(move.siteId, move);
  }

  /** By the orchestrator that has the site: another one may not have forgotten it yet. */
  of({ id, orchestratorId }: Pick<Site, 'id' | 'orchestratorId'>): SiteFacts {
    const move = this.#moves.get(id);
    // The list is older than the move's end.
    const at = move?.state === 'moved' && move.from === orchestratorId ? move.to : orchestratorId;
    const orchestrator = this.#orchestrators.get(at);
    const status = this.#statuses.get(`${at} ${id}`);
    return {
      workers: this.#workers.get(`${at} ${id}`) ?? [],
      ...(orchestrator === undefined ? {} : { orchestrator }),
      ...(status === undefined ? {} : { status }),
      ...(move === undefined ? {} : { move }),
    };
  }

  #addWorker(orchestratorId: string, worker: WorkerStatus): void {
    const key = `${orchestratorId} ${worker.siteId ?? ''}`;
    const known = this.#workers.get(key);
    if (known === undefined) this.#workers.set(key, [worker]);
    else known.push(worker);
  }
}

/** How a site stands, by what matters most of it. */
export function siteStanding(site: Pick<Site, 'paused' | 'movingTo'>, facts: SiteFacts): Standing {
  const { orchestrator, status, workers, move } = facts;
  if (move !== undefined && !isMoveOver(move)) return moving(move.to);
  if (site.movingTo !== undefined && move === undefined) return moving(site.movingTo);
  if (site.paused) return { word: 'paused', tone: 'quiet', shape: 'cancelled' };
  const worst = inOrder(workers)[0];
  const worker = worst === undefined ? undefined : standingOf(worst);
  switch (orchestrator?.presence.state) {
    case undefined:
      return { word: 'not known yet', tone: 'quiet', shape: 'never' };
    case 'away':
      return { word: 'VPS away', tone: 'bad', shape: 'away' };
    case 'never':
      return { word: 'VPS never seen', tone: 'warn', shape: 'never' };
    case 'draining':
    case 'online':
  }
  if (worker?.tone === 'bad') return worker;
  if (status !== undefined && refusals([status]).length > 0)
    return { word: 'config refused', tone: 'bad', shape: 'failed' };
  if (worker?.tone === 'warn' || worker?.tone === 'busy') return worker;
  if (status === undefined || status.generation === 0)
    return { word: 'no config', tone: 'quiet', shape: 'never' };
  return { word: 'works', tone: 'good', shape: 'online' };
}

const moving = (to: string): Standing => ({ word: `moving to ${to}`, tone: 'busy', shape: 'running' });
