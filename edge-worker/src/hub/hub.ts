import { DurableObject } from 'cloudflare:workers';
import { type LiveSnapshot, type LiveUpdate, PING, PONG, sendableCode } from '@clawdbot/protocol';
import { objectSql } from '../channel/store.ts';
import type { Env } from '../env.ts';
import { CONTROL_LANE, servicesOf } from '../services.ts';
import { Book, type Cursor } from './book.ts';
import { Dashboards } from './dashboards.ts';
import { Pace } from './pace.ts';
import {
  DASHBOARD_HEADER,
  type DashboardClaims,
  dashboardClaims,
  type HubRpc,
  type HubUpdate,
  hubUpdate,
} from './rpc.ts';
import { Watch } from './watch.ts';

/** Channels are told this often that someone still watches: twice may fail before they stop publishing. */
const WATCH_EVERY_MS = 30_000;
const ALARM_REST_MS = 1_000;

/**
 * The Durable Object that tells one organisation's dashboards how its orchestrators are. Runtime callbacks and what
 * joins its parts; while no dashboard is connected, it only takes notes.
 */
export class Hub extends DurableObject<Env> implements HubRpc {
  readonly #book: Book;
  readonly #dashboards: Dashboards;
  readonly #pace: Pace;
  readonly #watch: Watch;
  readonly #now: () => number;
  /** How far dashboards have been told. After a sleep that is all: a timer that has to tell keeps this awake. */
  #told: Cursor;
  #watchedAt = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    const { now, randomHex, channel } = servicesOf(env, ctx);
    this.#now = now;
    this.#book = new Book(objectSql(ctx.storage), () => randomHex(8));
    this.#told = this.#book.end;
    this.#dashboards = new Dashboards(ctx, now);
    this.#pace = new Pace({
      now,
      after: (ms, task) => void setTimeout(task, ms),
      flush: () => this.#tell(),
    });
    this.#watch = new Watch({
      now,
      channel: (id) => channel(id, CONTROL_LANE),
      note: (update) => this.#note(update),
      watchedAt: (id) => this.#book.watchedAt(id),
      setWatchedAt: (id, at) => this.#book.setWatchedAt(id, at),
      lapsed: (id) => {
        if (this.#book.forget(id)) this.#changed();
      },
    });
  }

  /** A dashboard whose token the Worker has verified. */
  override async fetch(request: Request): Promise<Response> {
    const claims = dashboardClaims.parse(JSON.parse(request.headers.get(DASHBOARD_HEADER) ?? 'null'));
    if (claims.orchestrators !== undefined) this.#book.list(claims.orchestrators);
    await this.#watch.ask(this.#book.listed);
    const { 0: far, 1: near } = new WebSocketPair();
    this.#dashboards.accept(near, claims.exp, JSON.stringify(this.#first(claims)));
    await this.#wakeAt(this.#now() + WATCH_EVERY_MS);
    await this.#wakeAt(this.#dashboards.deadline);
    return new Response(null, { status: 101, webSocket: far });
  }

  async publish(update: HubUpdate): Promise<void> {
    this.#note(hubUpdate.parse(update));
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    this.#dashboards.heard(socket, message);
    await this.#wakeAt(this.#dashboards.deadline);
  }

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    // Without this, the other end of a hibernatable socket waits until its own timeout and reports 1006.
    socket.close(sendableCode(code), reason);
  }

  /** While dashboards are connected. It catches, because the runtime gives up an alarm that throws again and again. */
  override async alarm(): Promise<void> {
    try {
      this.#dashboards.review();
      if (!this.#dashboards.any) return;
      if (this.#now() >= this.#watchedAt + WATCH_EVERY_MS) await this.#watchOn();
    } catch (error) {
      console.error('the alarm failed', error);
    }
    // Never at once: what has failed may fail again.
    await this.#wakeAt(Math.max(this.#watchedAt + WATCH_EVERY_MS, this.#now() + ALARM_REST_MS));
    await this.#wakeAt(this.#dashboards.deadline);
  }

  async #watchOn(): Promise<void> {
    this.#watchedAt = this.#now();
    await this.#watch.ask(this.#book.listed);
  }

  /** What a dashboard is told first: no more events than the others were told, so that the next update fits it too. */
  #first({ from }: DashboardClaims): LiveSnapshot | LiveUpdate {
    const { end } = this.#book;
    const told = this.#told.stream === end.stream ? this.#told : end;
    const cursor = from && this.#book.cursorAt(from, told);
    return cursor === undefined ? this.#book.snapshot(told, this.#now()) : this.#book.update(cursor, told);
  }

  #note(update: HubUpdate): void {
    if (this.#book.note(update)) this.#changed();
  }

  #changed(): void {
    if (this.#dashboards.any) this.#pace.note();
    else this.#allTold(this.#book.end);
  }

  #tell(): void {
    const from = this.#told;
    const { end } = this.#book;
    const news =
      from.stream === end.stream ? this.#book.update(from, end) : this.#book.snapshot(end, this.#now());
    this.#allTold(end);
    this.#dashboards.broadcast(JSON.stringify(news));
    this.ctx.waitUntil(this.#wakeAt(this.#dashboards.deadline));
  }

  #allTold(end: Cursor): void {
    this.#told = end;
    this.#book.trim();
  }

  /** Brings the alarm forward, never back: one that comes too early sets itself again. */
  async #wakeAt(at: number | undefined): Promise<void> {
    if (at === undefined) return;
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }
}
