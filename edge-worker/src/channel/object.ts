import { DurableObject } from 'cloudflare:workers';
import {
  CONTROL_LANE,
  Failure,
  HELLO_TIMEOUT_MS,
  PING,
  PONG,
  SUBPROTOCOL,
  sendableCode,
} from '@clawdbot/protocol';
import { createCipher } from '../cipher.ts';
import type { HubRpc } from '../hub/rpc.ts';
import { problemResponse, REQUEST_ID_HEADER } from '../problem.ts';
import { answer } from './answer.ts';
import type { CallLane } from './call-lane.ts';
import { CLAIMS_HEADER, channelClaims } from './claims.ts';
import type { Lane } from './lane.ts';
import { Whereabouts } from './move/whereabouts.ts';
import { openParts, type Parts } from './parts.ts';
import type { ChannelRpc } from './rpc.ts';
import { Sockets } from './sockets.ts';
import { useToken } from './tokens.ts';

interface ChannelEnv {
  /** The objects of this orchestrator's other lanes. */
  readonly CHANNEL: DurableObjectNamespace<ChannelRpc & Rpc.DurableObjectBranded>;
  readonly DB: D1Database;
  readonly SECRETS_KEY: string;
  readonly HUB: DurableObjectNamespace<HubRpc & Rpc.DurableObjectBranded>;
}

/** The cast: a stub has the object's very methods, but its types make arrays of the tuples in them. */
const objectNamed = (env: ChannelEnv, name: string): ChannelRpc =>
  env.CHANNEL.getByName(name) as unknown as ChannelRpc;

/**
 * The Durable Object of one orchestrator's lane, named `<orchestrator>/<lane>`, as the runtime calls it: sockets that come,
 * speak and end, and the alarm. Each callback finds its part, makes one call, and sees to what must follow.
 */
export abstract class ChannelObject extends DurableObject<ChannelEnv> {
  readonly #sockets: Sockets;
  protected readonly parts: Parts;
  protected readonly where: Whereabouts;
  /** What the sockets here belong to: lane 0, or one that carries calls only. */
  protected readonly lane: Lane | CallLane;
  #awake = false;

  /** What a change in the control plane brings with it: send, write behind, watch the clock. A field: no RPC reaches it. */
  protected readonly changed = async <T>(value: T): Promise<T> => {
    this.parts.lane.pump();
    this.parts.telling.note('logs');
    await this.#settle();
    return value;
  };

  constructor(ctx: DurableObjectState, env: ChannelEnv) {
    super(ctx, env);
    // Answered by the runtime, so that an idle channel sleeps through its heartbeats.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#sockets = new Sockets(ctx);
    this.parts = openParts({
      ctx,
      db: env.DB,
      cipher: createCipher(env.SECRETS_KEY),
      sessions: () => this.#sockets.list(),
      publish: (org, update) => env.HUB.getByName(org).publish(update),
      peer: (name) => objectNamed(env, name),
    });
    this.where = new Whereabouts(this.parts, (id) => objectNamed(env, `${id}/${CONTROL_LANE}`));
    this.lane = this.parts.callLane ?? this.parts.lane;
    this.#sockets.rehydrate(this.lane);
    if (this.lane !== this.parts.lane) return;
    this.parts.lane.wake();
    this.parts.moves.wake();
  }

  /** The upgrade of an orchestrator whose token the Worker has verified. */
  override async fetch(request: Request): Promise<Response> {
    const claims = channelClaims.parse(JSON.parse(request.headers.get(CLAIMS_HEADER) ?? 'null'));
    const used = await answer(() => {
      this.parts.revocations.refuse(claims.kid);
      useToken(this.parts.sql, claims, Date.now());
    });
    if (!used.ok)
      return problemResponse(Failure.fromWire(used.error), request.headers.get(REQUEST_ID_HEADER) ?? '');
    this.parts.meta.set('org', claims.orgId);
    this.parts.meta.set('lanes_granted', claims.lanes);
    this.parts.meta.set('api_sharers', claims.sharers);
    const { 0: far, 1: near } = new WebSocketPair();
    const state = { v: 1, state: 'greeting', kid: claims.kid, acceptedAt: Date.now() } as const;
    this.#sockets.accept(near, state, this.lane).expectHello(HELLO_TIMEOUT_MS);
    return new Response(null, {
      status: 101,
      webSocket: far,
      headers: { 'sec-websocket-protocol': SUBPROTOCOL },
    });
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> | void {
    this.#wake();
    this.#sockets.get(socket)?.receive(typeof message === 'string' ? message : new Uint8Array(message));
    return this.#settle();
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
   * One alarm for all that waits: queued commands that expire, entries and a D1 that have to be tried again, sessions
   * that have to be followed.
   * It catches, because the runtime repeats an alarm that throws and then gives it up.
   */
  override async alarm(): Promise<void> {
    this.#wake();
    try {
      this.parts.control.expire();
      this.parts.handling.run();
      this.parts.receipts.sweep();
      this.parts.moves.wake();
      this.parts.handovers.run();
      for (const chore of Object.values(this.parts.chores)) chore.resume();
    } catch (error) {
      console.error('the alarm failed', error);
    }
    await this.#followUp();
    // Each session has set the alarm for its own end when it began; it has to be set again only when it has rung.
    const due = this.parts.handovers.nextDue();
    if (due !== undefined) await this.parts.alarm.by(due);
  }

  /** Relayed answers change nothing in the control plane, and must not pay for looking, nor for a promise. */
  #settle(): Promise<void> | undefined {
    const { commands, events, handling, sharedRows, chores } = this.parts;
    if (sharedRows.canGoOn) chores.sharedRows.start();
    const changed = [commands.takeChanged(), events.takeChanged(), handling.takeChanged()];
    return changed.includes(true) ? this.#followUp() : undefined;
  }

  async #followUp(): Promise<void> {
    const { chores, alarm, commandQueue, handling, receipts, moves } = this.parts;
    chores.projection.start();
    for (const at of [commandQueue.nextExpiry(), handling.nextRetry(), receipts.nextDue(), moves.nextDue()])
      if (at !== undefined) await alarm.by(at);
  }

  /** Counts the times that an event found this object asleep: an idle channel must not (PROTOCOL S8). */
  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.parts.meta.add('wakes', 1);
  }

  #ended(socket: WebSocket, reason: string): void {
    const session = this.#sockets.remove(socket);
    if (session !== undefined) this.lane.ended(session, reason);
  }
}
