import { Failure, type Orchestrator, type Presence } from '@clawdbot/protocol';
import { within } from '../deadline.ts';
import { EVENTS_PER_UPDATE_MAX, type HubUpdate } from '../hub/rpc.ts';
import { Tempo } from '../hub/tempo.ts';
import type { CommandNews } from './command-news.ts';
import type { Commands } from './commands.ts';
import type { Events } from './events.ts';
import type { After } from './liveness.ts';
import type { MoveNews } from './move/news.ts';
import type { State } from './state.ts';
import type { Meta } from './store.ts';

export interface TellingParts {
  readonly orchestratorId: string;
  readonly meta: Meta;
  readonly state: Pick<State, 'queues' | 'status'>;
  readonly commands: Pick<Commands, 'takeTouched'>;
  readonly news: Pick<CommandNews, 'all' | 'of'>;
  readonly moves: Pick<MoveNews, 'all' | 'changed'>;
  readonly events: Pick<Events, 'last' | 'position'>;
  readonly presence: () => Presence;
  readonly now: () => number;
  readonly after: After;
  readonly publish: (update: HubUpdate) => Promise<void>;
}

/** The Hub repeats every 30 s that dashboards look: it may be late twice. */
const WATCHED_MS = 90_000;
const PUBLISH_DEADLINE_MS = 5_000;

/**
 * A fact for dashboards: presence is told always, the others while someone looks. `counts`: something has only gone on
 * its way.
 */
export type News = 'presence' | 'status' | 'logs' | 'counts';
/** What is only on its way, or repeats how all is, leaves the turn to what has happened. */
const PATIENT: ReadonlySet<News> = new Set(['status', 'counts']);
const PATIENCE_MS = 125;

/**
 * Tells the Hub what changes, one telling at a time and always of the newest. What went astray is in the next full
 * telling, which begins each spell of watching and is repeated every 30 s of it.
 */
export class Telling {
  readonly #parts: TellingParts;
  readonly #news = new Set<News>();
  /** What an instance before this one has told is not known. */
  #full = true;
  #toldEvents = 0;
  readonly #tempo = new Tempo();
  #last: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;
  #dueAt = Infinity;

  constructor(parts: TellingParts) {
    this.#parts = parts;
  }

  /** Dashboards look. Resolves when they have been told everything. */
  watch(): Promise<void> {
    const { meta, now } = this.#parts;
    // In the database, since an object that hibernates meanwhile has to go on telling.
    meta.set('watched_until', now() + WATCHED_MS);
    this.#full = true;
    return this.#tell();
  }

  /** Gathers what changes within a moment; what can wait leaves the turn to what has happened. */
  note(news: News): void {
    if (news !== 'presence' && !this.#watched) return;
    this.#news.add(news);
    const { now } = this.#parts;
    this.#tellBy(now() + Math.max(this.#tempo.wait(now()), PATIENT.has(news) ? PATIENCE_MS : 0));
  }

  #tellBy(at: number): void {
    if (at >= this.#dueAt) return;
    this.#cancel?.();
    this.#dueAt = at;
    const { after, now } = this.#parts;
    this.#cancel = after(at - now(), () => void this.#tell());
  }

  get #watched(): boolean {
    return this.#parts.now() < this.#parts.meta.number('watched_until');
  }

  #tell(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#dueAt = Infinity;
    this.#last = this.#last.then(() => this.#publish());
    return this.#last;
  }

  async #publish(): Promise<void> {
    const { publish, now } = this.#parts;
    this.#tempo.spend(now());
    const update = this.#update();
    try {
      await within(
        PUBLISH_DEADLINE_MS,
        publish(update),
        () => new Failure('deadline_exceeded', 'the Hub is silent'),
      );
      this.#toldEvents = update.events?.last ?? this.#toldEvents;
    } catch (error) {
      this.#full = true;
      console.warn('dashboards were not told', error);
    }
  }

  #update(): HubUpdate {
    const { orchestratorId, now, presence } = this.#parts;
    const head = { orchestratorId, at: now(), presence: presence() };
    if (!this.#watched) {
      this.#full = true;
      this.#news.clear();
      return head;
    }
    const withStatus = this.#full || this.#news.has('status');
    const update = { ...head, ...this.#logs(), ...(withStatus ? this.#status() : {}) };
    this.#full = false;
    this.#news.clear();
    return update;
  }

  #logs(): Pick<HubUpdate, 'queues' | 'commands' | 'moves' | 'events'> {
    const { state, commands, news, moves, events } = this.#parts;
    const queues: Orchestrator['queues'] = state.queues;
    const touched = commands.takeTouched();
    const shown = this.#full ? news.all() : news.of(touched);
    const moved = this.#full ? moves.all() : moves.changed();
    const last = events.position;
    const behind = this.#full ? 0 : this.#toldEvents;
    return {
      queues,
      ...(shown.length === 0 ? {} : { commands: shown }),
      ...(moved.length === 0 ? {} : { moves: moved }),
      ...(this.#full || last > behind
        ? { events: { items: events.last(EVENTS_PER_UPDATE_MAX, behind), last } }
        : {}),
    };
  }

  #status(): Pick<HubUpdate, 'status'> {
    const { status } = this.#parts.state;
    return status === undefined ? {} : { status };
  }
}
