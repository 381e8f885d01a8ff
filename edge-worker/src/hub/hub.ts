import { DurableObject } from 'cloudflare:workers';
import { CLOSE, PING, PONG, sendableCode } from '@clawdbot/protocol';
import { z } from 'zod';
import { objectSql } from '../channel/store.ts';
import type { Env } from '../env.ts';
import { Book } from './book.ts';
import { Pace } from './pace.ts';
import { DASHBOARD_HEADER, dashboardClaims, type HubRpc, type HubUpdate } from './rpc.ts';

/** A dashboard that has not taken this much is too slow to be live: closed, it comes back for a snapshot. */
const BUFFERED_BYTES_MAX = 1024 * 1024;

/** What survives hibernation of a dashboard's socket. */
const attachment = z.object({ v: z.literal(1), exp: z.int() });

/** The Durable Object that tells one organisation's dashboards how its orchestrators are. */
export class Hub extends DurableObject<Env> implements HubRpc {
  readonly #book: Book;
  readonly #pace: Pace;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#book = new Book(objectSql(ctx.storage));
    this.#pace = new Pace({
      now: Date.now,
      after: (ms, task) => void setTimeout(task, ms),
      flush: (changed) => this.#broadcast(changed),
    });
  }

  /** A dashboard whose token the Worker has verified. */
  override async fetch(request: Request): Promise<Response> {
    const claims = dashboardClaims.parse(JSON.parse(request.headers.get(DASHBOARD_HEADER) ?? 'null'));
    const { 0: far, 1: near } = new WebSocketPair();
    this.ctx.acceptWebSocket(near);
    near.serializeAttachment({ v: 1, exp: claims.exp });
    const orchestrators = this.#book.show(claims.orchestrators);
    near.send(JSON.stringify({ type: 'snapshot', position: this.#book.position, orchestrators }));
    return new Response(null, { status: 101, webSocket: far });
  }

  async publish(update: HubUpdate): Promise<void> {
    if (this.#book.note(update) && (await this.watching())) this.#pace.add(update.orchestratorId);
  }

  async watching(): Promise<boolean> {
    return this.ctx.getWebSockets().length > 0;
  }

  /** Dashboards have nothing to say yet; what they say is taken and dropped. */
  override webSocketMessage(): void {}

  override webSocketClose(socket: WebSocket, code: number, reason: string): void {
    // Without this, the other end of a hibernatable socket waits until its own timeout and reports 1006.
    socket.close(sendableCode(code), reason);
  }

  #broadcast(changed: ReadonlySet<string>): void {
    const orchestrators = this.#book.show(changed);
    const text = JSON.stringify({ type: 'update', position: this.#book.position, orchestrators });
    for (const socket of this.ctx.getWebSockets()) this.#send(socket, text);
  }

  #send(socket: WebSocket, text: string): void {
    if (socket.readyState !== WebSocket.OPEN) return;
    const { exp } = attachment.parse(socket.deserializeAttachment());
    if (exp * 1_000 < Date.now()) socket.close(CLOSE.unauthorized.code, 'the token has expired');
    else if (socket.bufferedAmount > BUFFERED_BYTES_MAX) socket.close(CLOSE.overloaded.code, 'too slow');
    else socket.send(text);
  }
}
