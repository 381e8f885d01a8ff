import type { LookedAt, ReceiptReport, SqlRow } from '@clawdbot/protocol';

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
  /** Kept answers to GETs (`offline: 'stale'`). */
  | { readonly is: 'answers'; readonly answers: readonly CargoRow[] }
  /** One that was never sent, and then what it needs: kept until the site is owned. */
  | { readonly is: 'command'; readonly packed: PackedCommand }
  | ({ readonly is: 'blob'; readonly commandId: string } & BlobPart)
  /** What the orchestrator of before has deployed for the site. */
  | { readonly is: 'workers'; readonly workers: readonly KeptWorker[] }
  | { readonly is: 'receipts'; readonly receipts: readonly PackedReceipt[] }
  /** The rows of the site's config are there: the orchestrator is sent it. Or: is it applied by now? */
  | { readonly is: 'config' }
  | { readonly is: 'own' }
  /** What the orchestrator of before has told of receipts that are aboard. */
  | { readonly is: 'reports'; readonly reports: readonly ReceiptReport[] }
  | { readonly is: 'undo' }
);

/** Whose rows belong to a site, and cross as they are. */
export type CargoTable = 'configs' | 'secrets' | 'worker_vars' | 'deployments' | 'commands';

/** A command that was never sent, with its history and the text of its entry; `n` is its place among the others. */
export interface PackedCommand {
  readonly commandId: string;
  readonly n: number;
  readonly body: string;
  readonly command: SqlRow;
  readonly history: readonly SqlRow[];
}

/** A part of a module's bytes. */
export interface BlobPart {
  readonly sha256: string;
  readonly part: number;
  readonly bytes: ArrayBuffer;
}

/** A Worker as it was deployed. */
export interface KeptWorker {
  readonly name: string;
  readonly versionId: string;
  /** What its health is looked at by, if anybody said. */
  readonly lookedAt?: LookedAt | undefined;
}

/** How far an arrival is. */
export interface Arrival {
  readonly state: 'preparing' | 'owns' | 'here' | 'undoing' | 'undone';
  /** Of the site's config, on the new orchestrator. */
  readonly config: 'none' | 'waits' | 'applied' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
  /** Of `undo`: there is more to be removed. */
  readonly more?: boolean;
}
