import { Failure, type SiteQueued, type Sql } from '@clawdbot/protocol';
import type { CommandQueue } from './command-queue.ts';
import type { Control } from './control.ts';
import type { Receipts } from './receipts.ts';
import type { Removal } from './rpc.ts';
import type { Stale } from './stale.ts';

export interface RemovalsParts {
  readonly sql: Sql;
  readonly commandQueue: Pick<CommandQueue, 'open'>;
  readonly control: Pick<Control, 'removeSite'>;
  readonly receipts: Pick<Receipts, 'countsOf' | 'removeSite'>;
  readonly stale: Pick<Stale, 'removeSite'>;
}

/** The end of a site at this object. */
export class Removals {
  readonly #parts: RemovalsParts;

  constructor(parts: RemovalsParts) {
    this.#parts = parts;
  }

  queued(siteId: string): SiteQueued {
    const { open, kept } = this.#parts.receipts.countsOf(siteId);
    return { siteId, receipts: open, commands: this.#parts.commandQueue.open(siteId), kept };
  }

  /** All of it at once. Throws `Failure('conflict')` on one that is not idle, if it must be. */
  remove(siteId: string, ifIdle: boolean): Removal {
    const { sql, control, receipts, stale } = this.#parts;
    return sql.transaction(() => {
      if (ifIdle) this.#refuseQueued(siteId);
      stale.removeSite(siteId);
      const commands = control.removeSite(siteId);
      return { commands, receipts: receipts.removeSite(siteId) };
    });
  }

  #refuseQueued(siteId: string): void {
    const { receipts, commands } = this.queued(siteId);
    if (receipts + commands === 0) return;
    throw new Failure(
      'conflict',
      `${receipts} stored requests of the site are not delivered and ${commands} of its commands have not ended: wait for them, or delete it with force, which gives them up`,
    );
  }
}
