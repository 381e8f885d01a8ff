import type { ReceiptReport, SqlRow } from '@clawdbot/protocol';

/** A row as its table has it: both objects run the same schema, or the page is refused and sent again. */
export type CargoRow = Readonly<Record<string, ArrayBuffer | string | number | null>>;

/** A receipt with what its customer sent, sealed: it opens under the same key and the same id anywhere. */
export interface PackedReceipt {
  readonly receipt: SqlRow;
  readonly parts: readonly CargoRow[];
}

/** What the object that has a site says to the one that gets it. Each is safe to repeat. */
export type ArrivalMessage = { readonly moveId: string } & (
  | {
      /** The move begins. */
      readonly is: 'offer';
      readonly siteId: string;
      readonly source: string;
      readonly orgId: string;
      readonly actor: string;
      readonly paused: boolean;
      readonly generation: number;
      /** The generation that runs, if that is another one: the desired one may have been refused. */
      readonly runs: number;
    }
  | { readonly is: 'rows'; readonly table: CargoTable; readonly rows: readonly CargoRow[] }
  | { readonly is: 'receipts'; readonly receipts: readonly PackedReceipt[] }
  /** The rows of the site's config are there: the orchestrator is sent it. Or: is it applied by now? */
  | { readonly is: 'config' }
  | { readonly is: 'own' }
  /** What the orchestrator of before has told of receipts that are aboard. */
  | { readonly is: 'reports'; readonly reports: readonly ReceiptReport[] }
  | { readonly is: 'undo' }
);

/** Whose rows belong to a site, and cross as they are. */
export type CargoTable = 'configs' | 'secrets' | 'worker_vars';

/** How far an arrival is. */
export interface Arrival {
  readonly state: 'preparing' | 'owns' | 'here' | 'undone';
  /** Of the site's config, on the new orchestrator. */
  readonly config: 'none' | 'waits' | 'applied' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
  /** Of `undo`: there is more to be removed. */
  readonly more?: boolean;
}
