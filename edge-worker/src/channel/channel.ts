import { DurableObject } from 'cloudflare:workers';
import {
  type Command,
  Failure,
  HELLO_TIMEOUT_MS,
  PING,
  PONG,
  problemOf,
  type SiteConfigState,
  type StatusReport,
  SUBPROTOCOL,
  sendableCode,
} from '@clawdbot/protocol';
import type { HubRpc } from '../hub/rpc.ts';
import { channelClaims } from './claims.ts';
import { prepareModules } from './modules.ts';
import { openParts, type Parts } from './parts.ts';
import {
  type Answer,
  type ChannelRpc,
  type ChannelState,
  CLAIMS_HEADER,
  type ConfigSubmission,
  type DeploySubmission,
  type RelayCall,
  type RelayReply,
  type StatusCall,
  type Taken,
} from './rpc.ts';
import { Sockets } from './sockets.ts';
import { useToken } from './tokens.ts';

/** D1 is tried again this long after it failed. */
const PROJECTION_RETRY_MS = 15_000;

interface ChannelEnv {
  readonly DB: D1Database;
  readonly HUB: DurableObjectNamespace<HubRpc & Rpc.DurableObjectBranded>;
}

/**
 * The Durable Object that terminates one orchestrator's socket, named `<orchestrator>/<lane>`. Runtime
 * callbacks only: each finds its part, makes one call, and sees to what must follow.
 */
export class Channel extends DurableObject<ChannelEnv> implements ChannelRpc {
  readonly #sockets: Sockets;
  readonly #parts: Parts;
  #awake = false;
  /** The newest that dashboards have not been told. */
  #news: (() => Promise<unknown>) | undefined;
  #telling: true | undefined;

  constructor(ctx: DurableObjectState, env: ChannelEnv) {
    super(ctx, env);
    // Answered by the runtime, so that an idle channel sleeps through its heartbeats.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#sockets = new Sockets(ctx);
    this.#parts = openParts({
      ctx,
      db: env.DB,
      sessions: () => this.#sockets.list(),
      publish: (org, orchestratorId, presence, status) => {
        const update = {
          orchestratorId,
          presence,
          at: Date.now(),
          ...(status === undefined ? {} : { status }),
        };
        this.#news = () => env.HUB.getByName(org).publish(update);
        if (this.#telling === undefined) ctx.waitUntil(this.#tell());
      },
    });
    this.#sockets.rehydrate(this.#parts.lane);
    this.#parts.lane.wake();
  }

  /** The upgrade of an orchestrator whose token the Worker has verified. */
  override async fetch(request: Request): Promise<Response> {
    const claims = channelClaims.parse(JSON.parse(request.headers.get(CLAIMS_HEADER) ?? 'null'));
    if (!useToken(this.#parts.sql, claims, Date.now())) {
      const failure = new Failure(
        'token_replayed',
        'this token has opened a connection before: sign a new one for each dial',
      );
      return Response.json(problemOf(failure), {
        status: 401,
        headers: { 'content-type': 'application/problem+json' },
      });
    }
    this.#parts.meta.set('org', claims.orgId);
    const { 0: far, 1: near } = new WebSocketPair();
    const state = { v: 1, state: 'greeting', kid: claims.kid, acceptedAt: Date.now() } as const;
    this.#sockets.accept(near, state, this.#parts.lane).expectHello(HELLO_TIMEOUT_MS);
    return new Response(null, {
      status: 101,
      webSocket: far,
      headers: { 'sec-websocket-protocol': SUBPROTOCOL },
    });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    this.#wake();
    this.#sockets.get(socket)?.receive(typeof message === 'string' ? message : new Uint8Array(message));
    await this.#settle();
  }

  override async webSocketClose(socket: WebSocket, code: number, reason: string): Promise<void> {
    this.#wake();
    // Without this, a hibernatable socket's other end waits until its own timeout and reports 1006.
    socket.close(sendableCode(code), reason);
    this.#ended(socket, reason === '' ? `the connection ended (${code})` : reason);
    await this.#settle();
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#wake();
    this.#ended(socket, 'the connection broke');
    await this.#settle();
  }

  /**
   * One alarm for all that waits: queued commands that expire, and a D1 that has to be tried again.
   * It catches, because the runtime repeats an alarm that throws and then gives it up.
   */
  override async alarm(): Promise<void> {
    this.#wake();
    try {
      this.#parts.control.expire();
    } catch (error) {
      console.error('the alarm failed', error);
    }
    await this.#followUp();
  }

  relay(call: RelayCall): Promise<Answer<RelayReply>> {
    return answer(() => this.#parts.lane.relay(call));
  }

  getStatus(call: StatusCall): Promise<Answer<StatusReport>> {
    return answer(() => this.#parts.lane.getStatus(call));
  }

  async cancelCall(requestId: string): Promise<void> {
    this.#parts.lane.cancelCall(requestId);
  }

  deploy(submission: DeploySubmission): Promise<Answer<Taken>> {
    return answer(async () => {
      const modules = await prepareModules(submission.payload);
      return this.#changed(this.#parts.control.deploy(submission, modules));
    });
  }

  updateConfig(submission: ConfigSubmission): Promise<Answer<Taken>> {
    return answer(() => this.#changed(this.#parts.control.updateConfig(submission)));
  }

  command(commandId: string): Promise<Answer<Command>> {
    return answer(() => this.#parts.commands.get(commandId));
  }

  cancelCommand(commandId: string, actor: string): Promise<Answer<Command>> {
    return answer(() => this.#changed(this.#parts.control.cancel(commandId, actor)));
  }

  putSite(siteId: string, { paused, orgId }: { paused: boolean; orgId: string }): Promise<Answer<null>> {
    return answer(() => {
      this.#parts.meta.set('org', orgId);
      this.#parts.configs.put(siteId, paused);
      return null;
    });
  }

  removeSite(siteId: string): Promise<Answer<null>> {
    return answer(() => {
      this.#parts.control.removeSite(siteId);
      return this.#changed(null);
    });
  }

  config(siteId: string): Promise<Answer<SiteConfigState>> {
    return answer(() => {
      const running = this.#parts.lane.running(siteId);
      return { ...this.#parts.configs.state(siteId), ...(running === undefined ? {} : { running }) };
    });
  }

  async describe(): Promise<ChannelState> {
    return this.#parts.lane.describe();
  }

  async release(): Promise<ChannelState> {
    this.#parts.lane.release();
    return this.#parts.lane.describe();
  }

  /** What a change in the control plane brings with it: send, write behind, watch the clock. */
  async #changed<T>(value: T): Promise<T> {
    this.#parts.lane.pump();
    await this.#settle();
    return value;
  }

  /** Relayed answers change nothing in the control plane, and must not pay for looking. */
  async #settle(): Promise<void> {
    if (this.#parts.commands.takeChanged()) await this.#followUp();
  }

  async #followUp(): Promise<void> {
    if (this.#parts.projector.behind) this.ctx.waitUntil(this.#project());
    await this.#wakeAt(this.#parts.control.nextExpiry());
  }

  async #project(): Promise<void> {
    try {
      await this.#parts.projector.run();
    } catch (error) {
      console.warn('D1 cannot be written now', error);
      await this.#wakeAt(Date.now() + PROJECTION_RETRY_MS);
    }
  }

  /** Brings the alarm forward, never back: one that comes too early sets itself again. */
  async #wakeAt(at: number | undefined): Promise<void> {
    if (at === undefined) return;
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }

  /** One telling at a time, of the newest only: an orchestrator may send statuses faster than a Hub takes them. */
  async #tell(): Promise<void> {
    this.#telling = true;
    for (let tell = this.#news; tell !== undefined; tell = this.#news) {
      this.#news = undefined;
      await tell().catch((error: unknown) => console.warn('dashboards were not told', error));
    }
    this.#telling = undefined;
  }

  /** Counts the times that an event found this object asleep: an idle channel must not (PROTOCOL S8). */
  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.#parts.meta.add('wakes', 1);
  }

  #ended(socket: WebSocket, reason: string): void {
    const session = this.#sockets.remove(socket);
    if (session !== undefined) this.#parts.lane.ended(session, reason);
  }
}

/** Runs an RPC method's work; a `Failure` becomes a value, anything else is a bug and stays one. */
async function answer<T>(work: () => T | Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (error instanceof Failure) return { ok: false, error: error.toWire() };
    throw error;
  }
}
