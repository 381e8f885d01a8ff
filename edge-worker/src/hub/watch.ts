import { Failure } from '@clawdbot/protocol';
import { reach } from '../ask.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import { within } from '../deadline.ts';
import type { HubUpdate } from './rpc.ts';

/** Whoever connects waits no longer than this for what is new; a Channel that is later than that is an update. */
const FIRST_ANSWER_MS = 1_500;
/** A Channel told that someone watches publishes for 90 s; past this, something may have gone untold. */
export const WATCH_LAPSE_MS = 85_000;
/** A thousand dashboards that come back at once ask each Channel once. */
const ASKED_LATELY_MS = 1_000;

export interface WatchParts {
  readonly now: () => number;
  readonly channel: (orchestratorId: string) => Pick<ChannelRpc, 'describe'>;
  readonly note: (update: HubUpdate) => void;
  /** When it was last told that someone watches. */
  readonly watchedAt: (orchestratorId: string) => number;
  readonly setWatchedAt: (orchestratorId: string, at: number) => void;
  /** Not everything was told of it: what is known may be out of date. */
  readonly lapsed: (orchestratorId: string) => void;
}

interface Asked {
  readonly at: number;
  readonly answer: Promise<void>;
  settled: boolean;
}

/**
 * Tells Channel objects that someone watches, and takes how their orchestrators are. Being asked also makes a Channel
 * look at its heartbeat, so that an orchestrator which died without a word is found.
 */
export class Watch {
  readonly #parts: WatchParts;
  readonly #asked = new Map<string, Asked>();

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Asks all of them, and waits for most: one that is slow or broken delays nobody, and is taken when it answers. */
  async ask(ids: readonly string[]): Promise<void> {
    const answers = Promise.all(ids.map((id) => this.#ask(id)));
    try {
      await within(FIRST_ANSWER_MS, answers, () => new Failure('deadline_exceeded', 'late'));
    } catch {
      // The answers go on, and never fail: what comes late goes out as an update.
    }
  }

  #ask(id: string): Promise<void> {
    const last = this.#asked.get(id);
    const at = this.#parts.now();
    if (last !== undefined && (!last.settled || at - last.at < ASKED_LATELY_MS)) return last.answer;
    if (at - this.#parts.watchedAt(id) > WATCH_LAPSE_MS) this.#parts.lapsed(id);
    const answer = this.#describe(id, at).finally(() => {
      asked.settled = true;
    });
    const asked: Asked = { at, answer, settled: false };
    this.#asked.set(id, asked);
    return answer;
  }

  async #describe(orchestratorId: string, at: number): Promise<void> {
    try {
      const { presence, queues, status } = await reach(
        this.#parts.channel(orchestratorId).describe({ watch: true }),
      );
      this.#parts.setWatchedAt(orchestratorId, at);
      // As of the question: what the Channel itself has published since is newer.
      this.#parts.note({ orchestratorId, at, presence, queues, ...(status === undefined ? {} : { status }) });
    } catch (error) {
      const message = 'no answer for dashboards';
      console.warn(JSON.stringify({ level: 'warn', orchestratorId, message, error: String(error) }));
    }
  }
}
