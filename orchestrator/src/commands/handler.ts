import type {
  AdoptWorker,
  DeployResult,
  DeployWorker,
  RollbackWorker,
  UpdateConfig,
  updateConfigResult,
} from '@clawdbot/protocol';
import type { z } from 'zod';
import type { LaneTally, TallyRef } from '../calls/index.ts';
import type { Logger } from '../log.ts';

type UpdateConfigResult = z.infer<typeof updateConfigResult>;

/** What a handler may use of the orchestrator while it carries out one command. */
export interface CommandContext {
  /** Stable across restarts: tag what leaves the system with it, so that a repeat can be told. */
  readonly commandId: string;
  readonly siteId: string;
  /** The process ended while this command ran: find out how far it got before doing anything again. */
  readonly resumed: boolean;
  /** Aborted when the command is cancelled or the process stops. Already aborted if it was cancelled before. */
  readonly signal: AbortSignal;
  /** Aborted when the process stops, and then alone: a command that is cancelled may still undo what it has done. */
  readonly stop: AbortSignal;
  readonly log: Logger;
  /** Tells the edge of a milestone, durably. Inside `sql.transaction` it commits with what it reports. */
  progress(milestone: string, detail?: string): void;
  /** The bytes of a blob, verified; waits for the channel. Throws `Failure('blob_missing')`. */
  blob(ref: { readonly sha256: string; readonly bytes: number }): Promise<Uint8Array>;
  /** The value of a secret of the command's site; for use, never to be kept. Throws `Failure('secret_missing')`. */
  secret(name: string): Promise<string>;
  /**
   * What each lane of the edge has counted of the site's relayed requests since it was first asked for this `window`.
   * Never rejects.
   */
  tallies(ref: Omit<TallyRef, 'siteId'>): Promise<readonly LaneTally[]>;
  /** Does what is mostly waiting: meanwhile another command may run in this one's place. */
  aside<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * One handler per type of command. A handler may be called again with the same `commandId` (`resumed`), never
 * twice at once; commands with the same key (a Worker's name, a site's config) never overlap, others do.
 * A thrown `Failure` is the command's error; anything else that is thrown is a bug and reported as `internal`.
 */
export interface Handlers {
  deploy_worker(body: DeployWorker, context: CommandContext): Promise<DeployResult>;
  rollback_worker(body: RollbackWorker, context: CommandContext): Promise<DeployResult>;
  adopt_worker(body: AdoptWorker, context: CommandContext): Promise<DeployResult>;
  /** Only writes to the database, in the transaction that begins and ends the command. */
  update_config(body: UpdateConfig): UpdateConfigResult;
}
