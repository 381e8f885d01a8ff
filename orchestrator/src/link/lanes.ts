import { CONTROL_LANE, type LaneStatus } from '@clawdbot/protocol';
import type { LaneTally, TallyRef } from '../calls/index.ts';
import { Link, type LinkOptions } from './link.ts';
import type { LinkState } from './state.ts';

/** A lane beyond 0. */
export interface CallLane {
  /** From 1. */
  readonly lane: number;
  readonly link: Link;
}

/**
 * All sockets of this process. Lane 0's carries everything durable, and its word counts for all: when it is refused for
 * good, so are the others. A lane beyond it that is refused stays away alone, and the others go on.
 */
export class Lanes {
  readonly control: Link;
  readonly #calls: readonly CallLane[];

  constructor(control: LinkOptions, calls: readonly (LinkOptions & { readonly lane: number })[]) {
    this.control = new Link(control);
    this.#calls = calls.map(({ lane, ...options }) => ({ lane, link: new Link(options) }));
  }

  /** Calls under way, on all lanes. */
  get callsOpen(): number {
    return this.#all.reduce((sum, link) => sum + link.callsOpen, 0);
  }

  /** How many take calls. */
  get open(): number {
    return this.#all.filter(({ state }) => state.value.kind === 'open').length;
  }

  /** Where the lanes beyond 0 stand. */
  get others(): LaneStatus[] {
    return this.#calls.map(({ lane, link }) => ({ lane, ...brief(link.state.value) }));
  }

  /**
   * Keeps every lane up until `stop`. Those beyond 0 are dialled when lane 0 was first welcomed: until then the edge
   * knows nothing of this process, and would send them away (PROTOCOL S13). From then on each is on its own.
   */
  async runUntilStopped(): Promise<void> {
    const running = [this.control.runUntilStopped()];
    const unsubscribe = this.control.state.subscribe(({ kind }) => {
      if (kind !== 'open') return;
      unsubscribe();
      running.push(...this.#calls.map(({ link }) => link.runUntilStopped()));
    });
    await running[0];
    unsubscribe();
    await Promise.all(running);
  }

  /** What each lane has counted of a site's requests, but those that the edge has refused for good: they carry none. */
  tallies(ref: TallyRef, signal: AbortSignal): Promise<LaneTally[]> {
    const lanes = [{ lane: CONTROL_LANE, link: this.control }, ...this.#calls];
    const asked = lanes.filter(({ link }) => link.state.value.kind !== 'refused');
    return Promise.all(
      asked.map(async ({ lane, link }) => ({ lane, tally: await link.edge.tally(ref, signal) })),
    );
  }

  /** This process must not come back: ends every lane and never dials again. */
  refuse(reason: string): void {
    for (const link of this.#all) link.refuse(reason);
  }

  /** Lets open calls finish, until `graceMs` have passed, then ends every lane. */
  async stop(graceMs: number): Promise<void> {
    await Promise.all(this.#all.map((link) => link.stop(graceMs)));
  }

  get #all(): readonly Link[] {
    return [this.control, ...this.#calls.map(({ link }) => link)];
  }
}

/** The codes of a refusal may be followed by much that an edge said. */
const REASON_CHARS = 500;

function brief(state: LinkState): Omit<LaneStatus, 'lane'> {
  const { kind, since } = state;
  return {
    state: kind === 'greeting' ? 'connecting' : kind,
    since,
    ...('reason' in state ? { reason: state.reason.slice(0, REASON_CHARS) } : {}),
  };
}
