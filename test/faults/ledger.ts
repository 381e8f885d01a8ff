import type { CommandTaken } from '@clawdbot/protocol';
import type { Violation } from './violation.ts';

/** A request that makes a command, and what its caller was told. */
export interface Submission {
  /** Its Idempotency-Key. */
  readonly key: string;
  readonly action: 'deploy_worker' | 'update_config';
  readonly siteId: string;
  readonly payload: unknown;
  /** The Worker that it deploys. */
  readonly name?: string;
  /** The site's edits that were taken before this deployment was first sent: it carries the last of them, or a newer one. */
  readonly editsBefore?: number;
  /** Times it was sent: an answer that is lost is asked for again. */
  sent: number;
  /** The 202. */
  taken?: CommandTaken;
}

/** All that was given to the system, in order. */
export class Ledger {
  readonly submissions: Submission[] = [];
  /** Per site the edits that were taken, in their order: each makes one generation. */
  readonly edits = new Map<string, Submission[]>();
  /** Answers that no fault explains. */
  readonly strange: Violation[] = [];

  get taken(): (Submission & { taken: NonNullable<Submission['taken']> })[] {
    return this.submissions.filter((one) => one.taken !== undefined) as ReturnType<() => Ledger['taken']>;
  }
}
