import type { EntryToOrchestrator, InboxItem, RemoveSite } from '@clawdbot/protocol';
import type { Runner } from './commands/index.ts';
import type { Deliveries } from './delivery/index.ts';
import type { DeadLetters } from './inbox/index.ts';
import type { Settings } from './settings/index.ts';
import type { SharedTables } from './sync/index.ts';

/** Where each type of entry goes. */
export interface Rooms {
  readonly commands: Pick<Runner, 'accept' | 'cancel' | 'cancelSite'>;
  readonly settings: Pick<Settings, 'remove'>;
  readonly shared: Pick<SharedTables, 'apply'>;
  readonly letters: Pick<DeadLetters, 'act'>;
  readonly deliveries: Pick<Deliveries, 'accept' | 'removeSite'>;
  /** A site is deleted here, or was moved. */
  readonly releaseWorkers: (siteId: string, isMoved: boolean) => void;
  /** The status has changed. Called inside the transaction: it acts a turn later. */
  readonly publishStatus: () => void;
}

/**
 * Hands an entry to its room, in the transaction that takes it out of the inbox: it only writes down what is to
 * be done. A thrown `Failure` that no retry mends makes the entry a dead letter.
 */
export function dispatch(entry: EntryToOrchestrator, { logId, seq }: InboxItem, rooms: Rooms): void {
  switch (entry.type) {
    case 'deploy_worker':
    case 'rollback_worker':
    case 'adopt_worker':
    case 'update_config':
      rooms.commands.accept(entry, { logId, seq });
      return;
    case 'cancel_command':
      rooms.commands.cancel(entry.commandId, entry.reason);
      return;
    case 'remove_site':
      // A config that waits or runs must not bring back what is deleted here.
      rooms.commands.cancelSite(entry.siteId, whyGone(entry));
      rooms.settings.remove(entry.siteId);
      rooms.deliveries.removeSite(entry.siteId);
      rooms.releaseWorkers(entry.siteId, entry.movedTo !== undefined);
      rooms.publishStatus();
      return;
    case 'row_changed':
      rooms.shared.apply(entry);
      return;
    case 'dead_letter_action':
      rooms.letters.act(entry);
      return;
    case 'withdrawn':
      return; // It only holds the place of an entry that was never sent.
    case 'webhook':
      rooms.deliveries.accept(entry);
      return;
    default:
      entry satisfies never;
  }
}

const whyGone = ({ movedTo }: RemoveSite): string =>
  movedTo === undefined ? 'the site was deleted' : `the site was moved to ${movedTo}`;
