import {
  Failure,
  type FrameToEdge,
  type FrameToOrchestrator,
  type Outcomes,
  type ReceiptReport,
} from '@clawdbot/protocol';
import { type Outcome, outcomeOfFailure, outcomeOfStatus } from './outcome.ts';
import type { RelayCall, RelayReply } from './relay-rpc.ts';

export type GetTally = Extract<FrameToEdge, { type: 'get_tally' }>;
export type Tally = Extract<FrameToOrchestrator, { type: 'tally' }>;

/** Longest pause between two looks of a deployment, several times over: who has not asked for so long does not come back. */
const IDLE_MS = 120_000;
/** Deployments that are watched at a time on one orchestrator, and more: each costs some hundred bytes. */
const WINDOWS_MAX = 1_000;
/** Stored requests of which nothing was told yet: the oldest are not waited for any more. */
const STORED_MAX = 10_000;

/** A request on its way. */
interface Counting {
  readonly windows: readonly Window[];
  readonly sentBy: string | undefined;
}

interface Relays {
  relay(call: RelayCall): Promise<RelayReply>;
}

interface Window extends Pick<GetTally, 'window'> {
  readonly names: Pick<GetTally, 'version' | 'before'>;
  readonly since: number;
  askedAt: number;
  readonly version: Record<Outcome, number>;
  readonly before: Record<Outcome, number>;
  readonly others: Record<Outcome, number>;
}

/**
 * How the relayed requests of sites go whose deployments are watched, by the version of the site's Worker that each came
 * through. Numbers in memory, only while somebody asks for them: no timer, nothing written, and nothing at all for other
 * sites. An object that slept or was moved begins anew, and `since` shows it.
 */
export class Tallies {
  readonly #now: () => number;
  readonly #bySite = new Map<string, Window[]>();
  /** By receipt. */
  readonly #stored = new Map<string, Counting>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Throws `Failure('overloaded')`. */
  tally({ id, siteId, window: name, version, before }: GetTally): Tally {
    const at = this.#now();
    const known = this.#bySite.get(siteId)?.find(({ window }) => window === name);
    const window = known ?? this.#begin(siteId, name, { version, ...(before && { before }) }, at);
    window.askedAt = at;
    const { since } = window;
    return {
      ...{ type: 'tally', id, since, at },
      ...{ version: { ...window.version }, before: { ...window.before }, others: { ...window.others } },
    };
  }

  /** Relays, and counts how it went if anybody wants to know. */
  relay(call: RelayCall, on: Relays): Promise<RelayReply> {
    // Nearly always nobody does, and it costs no turn.
    const windows = this.#watching(call);
    return windows === undefined ? on.relay(call) : counted(windows, call, on);
  }

  /** A request was stored: the first that is told of its receipt counts, and not what its customer is answered. */
  stored(receiptId: string, call: RelayCall): void {
    const windows = this.#watching(call);
    if (windows === undefined) return;
    for (const [oldest] of this.#stored) {
      if (this.#stored.size < STORED_MAX) break;
      this.#stored.delete(oldest);
    }
    this.#stored.set(receiptId, { windows, sentBy: call.workerVersion });
  }

  reported({ receiptId, status }: Pick<ReceiptReport, 'receiptId' | 'status'>): void {
    if (this.#stored.size === 0) return;
    const counting = this.#stored.get(receiptId);
    if (counting === undefined) return;
    this.#stored.delete(receiptId);
    count(counting, status === undefined ? 'apart' : outcomeOfStatus(status));
  }

  #watching({ siteId }: RelayCall): readonly Window[] | undefined {
    if (this.#bySite.size === 0 || siteId === undefined) return undefined;
    const windows = this.#bySite.get(siteId);
    if (windows === undefined || windows.some((window) => isAskedFor(window, this.#now()))) return windows;
    this.#bySite.delete(siteId);
    return undefined;
  }

  #begin(siteId: string, window: string, names: Window['names'], at: number): Window {
    const open = this.#dropIdle(at);
    if (open >= WINDOWS_MAX) throw tooMany();
    const begun = { ...{ window, names, since: at, askedAt: at }, ...noneYet() };
    this.#bySite.set(siteId, [...(this.#bySite.get(siteId) ?? []), begun]);
    return begun;
  }

  /** @returns how many are left */
  #dropIdle(now: number): number {
    let left = 0;
    for (const [siteId, windows] of this.#bySite) {
      const kept = windows.filter((window) => isAskedFor(window, now));
      if (kept.length === 0) this.#bySite.delete(siteId);
      else this.#bySite.set(siteId, kept);
      left += kept.length;
    }
    return left;
  }
}

const isAskedFor = ({ askedAt }: Window, now: number): boolean => now - askedAt <= IDLE_MS;

async function counted(windows: readonly Window[], call: RelayCall, on: Relays): Promise<RelayReply> {
  const counting = { windows, sentBy: call.workerVersion };
  try {
    const reply = await on.relay(call);
    if (reply.isStored !== true) count(counting, outcomeOfStatus(reply.status));
    return reply;
  } catch (thrown) {
    count(counting, outcomeOfFailure(thrown));
    throw thrown;
  }
}

function count({ windows, sentBy }: Counting, outcome: Outcome): void {
  for (const window of windows) outcomesOf(window, sentBy)[outcome]++;
}

function outcomesOf(window: Window, sentBy: string | undefined): Record<Outcome, number> {
  if (sentBy === undefined) return window.others;
  if (sentBy === window.names.version) return window.version;
  return sentBy === window.names.before ? window.before : window.others;
}

const none = (): Outcomes => ({ answered: 0, failed: 0, apart: 0 });
const noneYet = () => ({ version: none(), before: none(), others: none() });

const tooMany = () =>
  new Failure('overloaded', `${WINDOWS_MAX} deployments are counted for already`, { retryAfterMs: IDLE_MS });
