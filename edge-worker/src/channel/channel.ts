import { DurableObject } from 'cloudflare:workers';
import {
  type ChannelStanding,
  CONTROL_LANE,
  type Command,
  type ConfigGenerationDetail,
  type DeadLetter,
  type DeadLetterDetail,
  Failure,
  HELLO_TIMEOUT_MS,
  PING,
  PONG,
  type Receipt,
  type ReceiptDetail,
  type SecretSummary,
  type SiteConfigState,
  type SiteMove,
  type SiteQueued,
  type StatusReport,
  SUBPROTOCOL,
  sendableCode,
} from '@clawdbot/protocol';
import { unwrap } from '../ask.ts';
import { createCipher } from '../cipher.ts';
import type { HubRpc } from '../hub/rpc.ts';
import { problemResponse, REQUEST_ID_HEADER } from '../problem.ts';
import { answer } from './answer.ts';
import type { CallLane } from './call-lane.ts';
import { type ChannelClaims, channelClaims } from './claims.ts';
import type { Lane } from './lane.ts';
import { prepareModules } from './modules.ts';
import type { Arrival, ArrivalMessage } from './move/rpc.ts';
import { Whereabouts } from './move/whereabouts.ts';
import { openParts, type Parts } from './parts.ts';
import {
  type AdoptSubmission,
  type Answer,
  type ChannelRpc,
  type ChannelState,
  CLAIMS_HEADER,
  type ConfigSubmission,
  type DeploymentPage,
  type DeploymentQuery,
  type DeploySubmission,
  type Erasure,
  type GenerationPage,
  type Incumbency,
  type LetterPage,
  type PublicPart,
  type ReceiptPage,
  type ReceiptQuery,
  type RelayCall,
  type RelayReply,
  type Removal,
  type RollbackSubmission,
  type SecretSubmission,
  type SiteRoutes,
  type StatusCall,
  type Taken,
} from './rpc.ts';
import { Sockets } from './sockets.ts';
import { after } from './timer.ts';
import { useToken } from './tokens.ts';
import { Trunks } from './trunks.ts';

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
 * The Durable Object that terminates one orchestrator's socket, named `<orchestrator>/<lane>`. Runtime
 * callbacks only: each finds its part, makes one call, and sees to what must follow.
 */
export class Channel extends DurableObject<ChannelEnv> implements ChannelRpc {
  readonly #sockets: Sockets;
  readonly #parts: Parts;
  readonly #where: Whereabouts;
  /** What the sockets here belong to: lane 0, or one that carries calls only. */
  readonly #lane: Lane | CallLane;
  readonly #trunks: Trunks;
  #awake = false;

  constructor(ctx: DurableObjectState, env: ChannelEnv) {
    super(ctx, env);
    // Answered by the runtime, so that an idle channel sleeps through its heartbeats.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.#sockets = new Sockets(ctx);
    this.#parts = openParts({
      ctx,
      db: env.DB,
      cipher: createCipher(env.SECRETS_KEY),
      sessions: () => this.#sockets.list(),
      publish: (org, update) => env.HUB.getByName(org).publish(update),
      peer: (name) => objectNamed(env, name),
    });
    this.#where = new Whereabouts(this.#parts, (id) => objectNamed(env, `${id}/${CONTROL_LANE}`));
    this.#lane = this.#parts.callLane ?? this.#parts.lane;
    this.#trunks = new Trunks({ relay: (call) => this.#relay(call), now: Date.now, after });
    this.#sockets.rehydrate(this.#lane);
    if (this.#lane !== this.#parts.lane) return;
    this.#parts.lane.wake();
    this.#parts.moves.wake();
  }

  /** The upgrade of an orchestrator whose token the Worker has verified. */
  override async fetch(request: Request): Promise<Response> {
    const claims = channelClaims.parse(JSON.parse(request.headers.get(CLAIMS_HEADER) ?? 'null'));
    const used = await answer(() => useToken(this.#parts.sql, claims, Date.now()));
    if (!used.ok)
      return problemResponse(Failure.fromWire(used.error), request.headers.get(REQUEST_ID_HEADER) ?? '');
    this.#parts.meta.set('org', claims.orgId);
    this.#parts.meta.set('lanes_granted', claims.lanes);
    this.#parts.meta.set('api_sharers', claims.sharers);
    const { 0: far, 1: near } = new WebSocketPair();
    const state = { v: 1, state: 'greeting', kid: claims.kid, acceptedAt: Date.now() } as const;
    this.#sockets.accept(near, state, this.#lane).expectHello(HELLO_TIMEOUT_MS);
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
   * One alarm for all that waits: queued commands that expire, entries and a D1 that have to be tried again.
   * It catches, because the runtime repeats an alarm that throws and then gives it up.
   */
  override async alarm(): Promise<void> {
    this.#wake();
    try {
      this.#parts.control.expire();
      this.#parts.handling.run();
      this.#parts.receipts.sweep();
      this.#parts.moves.wake();
      for (const chore of Object.values(this.#parts.chores)) chore.resume();
    } catch (error) {
      console.error('the alarm failed', error);
    }
    await this.#followUp();
  }

  relay(call: RelayCall): Promise<Answer<RelayReply>> {
    return answer(() => this.#relay(call));
  }

  async exchange(trunk: string, calls: string): Promise<string> {
    return JSON.stringify(await this.#trunks.exchange(trunk, JSON.parse(calls)));
  }

  async pickUp(requestId: string): Promise<Answer<RelayReply> | undefined> {
    return this.#trunks.pickUp(requestId);
  }

  #relay(call: RelayCall): Promise<RelayReply> {
    const here = () => (this.#parts.callLane ?? this.#parts.door).relay(call);
    // Nearly always; it costs no turn more.
    if (call.siteId === undefined || this.#where.isSettled(call.siteId)) return here();
    return this.#where.atSite(call.siteId, here, (there) => there.relay(call)).then(unwrap);
  }

  getStatus(call: StatusCall): Promise<Answer<StatusReport>> {
    return this.#where.atSite(
      call.siteId,
      () => this.#lane.getStatus(call),
      (there) => there.getStatus(call),
    );
  }

  async cancelCall(requestId: string): Promise<void> {
    this.#lane.cancelCall(requestId);
    await this.#where.everywhereElse((there) => there.cancelCall(requestId));
  }

  async isReachable(): Promise<boolean> {
    return this.#lane.isReachable;
  }

  routes(siteId: string): Promise<Answer<SiteRoutes>> {
    return this.#where.atSite(
      siteId,
      () => this.#parts.routes.of(siteId),
      // The lanes of this orchestrator are not to be asked any more.
      async () => ({ ok: true, value: { lanes: 1, isPaused: false, routes: [] } }),
    );
  }

  async incumbency(): Promise<Incumbency> {
    return this.#parts.lane.incumbency();
  }

  async supersede(by: Incumbency): Promise<void> {
    this.#parts.callLane?.supersede(by);
  }

  deploy(submission: DeploySubmission): Promise<Answer<Taken>> {
    const here = async () => {
      const modules = await prepareModules(submission.payload);
      this.#where.refuseLeaving(submission.siteId);
      return this.#changed(this.#parts.control.deploy(submission, modules));
    };
    return this.#where.edit(submission.siteId, here, (there) => there.deploy(submission));
  }

  rollback(submission: RollbackSubmission): Promise<Answer<Taken>> {
    const here = async () => {
      this.#where.refuseLeaving(submission.siteId);
      return this.#changed(this.#parts.control.rollback(submission));
    };
    return this.#where.edit(submission.siteId, here, (there) => there.rollback(submission));
  }

  adopt(submission: AdoptSubmission): Promise<Answer<Taken>> {
    return answer(() => this.#changed(this.#parts.control.adopt(submission)));
  }

  updateConfig(submission: ConfigSubmission): Promise<Answer<Taken>> {
    const here = async () => {
      const taken = this.#parts.control.updateConfig(submission);
      return this.#changed({ ...taken, warnings: this.#parts.configStates.warnings(submission.siteId) });
    };
    return this.#where.edit(submission.siteId, here, (there) => there.updateConfig(submission));
  }

  deployments(query: DeploymentQuery): Promise<Answer<DeploymentPage>> {
    return answer(() => this.#parts.deployments.list(query));
  }

  command(commandId: string): Promise<Answer<Command>> {
    return answer(() => this.#parts.commands.get(commandId));
  }

  cancelCommand(commandId: string, actor: string): Promise<Answer<Command>> {
    return answer(() => this.#changed(this.#parts.control.cancel(commandId, actor)));
  }

  putSite(
    siteId: string,
    state: { readonly paused: boolean; readonly orgId: string; readonly isNew?: boolean },
  ): Promise<Answer<null>> {
    const here = () => {
      this.#parts.meta.set('org', state.orgId);
      this.#parts.configs.put(siteId, state.paused);
      this.#parts.book.changed();
      return null;
    };
    if (state.isNew === true)
      return answer(() => {
        this.#parts.departures.replace(siteId);
        return this.#changed(here());
      });
    return this.#where.edit(siteId, here, (there) => there.putSite(siteId, state));
  }

  queued(siteId: string): Promise<Answer<SiteQueued>> {
    return this.#where.atSite(
      siteId,
      () => this.#parts.removal.queued(siteId),
      (there) => there.queued(siteId),
    );
  }

  removeSite(siteId: string, { ifIdle = false } = {}): Promise<Answer<Removal>> {
    return this.#where.edit(
      siteId,
      () => this.#changed(this.#parts.removal.remove(siteId, ifIdle)),
      (there) => there.removeSite(siteId, { ifIdle }),
    );
  }

  moveSite(siteId: string, target: string, actor: string): Promise<Answer<SiteMove>> {
    const here = async () => {
      const move = this.#parts.departures.begin(siteId, target, actor);
      this.#parts.moves.wake();
      await this.#parts.moves.watch();
      return move;
    };
    return this.#where.atSite(siteId, here, (there) => there.moveSite(siteId, target, actor));
  }

  siteMove(moveId: string): Promise<Answer<SiteMove>> {
    return answer(() => this.#parts.departures.move(moveId));
  }

  arrival(message: ArrivalMessage): Promise<Answer<Arrival>> {
    return answer(async () => {
      const arrival = this.#parts.arrivals.take(message);
      this.#parts.moves.wake();
      await this.#parts.moves.watch();
      return this.#changed(arrival);
    });
  }

  config(siteId: string): Promise<Answer<SiteConfigState>> {
    return this.#where.atSite(
      siteId,
      () => this.#parts.configStates.of(siteId),
      (there) => there.config(siteId),
    );
  }

  configHistory(siteId: string, limit: number, after?: number): Promise<Answer<GenerationPage>> {
    return this.#where.atSite(
      siteId,
      () => this.#parts.history.list(siteId, limit, after),
      (there) => there.configHistory(siteId, limit, after),
    );
  }

  configGeneration(siteId: string, generation: number): Promise<Answer<ConfigGenerationDetail>> {
    return this.#where.atSite(
      siteId,
      () => this.#parts.history.get(siteId, generation),
      (there) => there.configGeneration(siteId, generation),
    );
  }

  publicConfig(siteId: string): Promise<Answer<PublicPart>> {
    return this.#where.atSite(
      siteId,
      () => this.#parts.publicConfigs.of(siteId),
      (there) => there.publicConfig(siteId),
    );
  }

  putSecret(secret: SecretSubmission): Promise<Answer<boolean>> {
    const { siteId, name, value, actor } = secret;
    const here = async () => {
      const isNew = await this.#parts.secrets.put(siteId, name, value, actor);
      // It was sealed while the site began to leave, and may have stayed behind.
      this.#where.refuseLeaving(siteId);
      return isNew;
    };
    return this.#where.edit(siteId, here, (there) => there.putSecret(secret));
  }

  secrets(siteId: string): Promise<Answer<SecretSummary[]>> {
    return this.#where.atSite(
      siteId,
      () => this.#parts.secrets.list(siteId),
      (there) => there.secrets(siteId),
    );
  }

  deleteSecret(siteId: string, name: string): Promise<Answer<null>> {
    const here = () => {
      this.#parts.secrets.delete(siteId, name);
      return null;
    };
    return this.#where.edit(siteId, here, (there) => there.deleteSecret(siteId, name));
  }

  async syncShared(orgId: string): Promise<void> {
    this.#parts.meta.set('org', orgId);
    this.#parts.chores.sharedRows.start();
  }

  async describe({ watch = false }: { readonly watch?: boolean } = {}): Promise<ChannelState> {
    this.#parts.lane.look();
    if (watch) await this.#parts.telling.watch();
    return this.#parts.state.describe();
  }

  async release(): Promise<ChannelState> {
    this.#parts.lane.release();
    return this.#parts.state.describe();
  }

  standing(claims: ChannelClaims): Promise<Answer<ChannelStanding>> {
    return answer(() => {
      useToken(this.#parts.sql, claims, Date.now());
      return this.#parts.state.standing();
    });
  }

  deadLetters(limit: number, after?: string): Promise<Answer<LetterPage>> {
    return answer(() => this.#parts.letters.list(limit, after));
  }

  deadLetter(id: string): Promise<Answer<DeadLetterDetail>> {
    return answer(() => this.#parts.letters.get(id));
  }

  replayDeadLetter(id: string, actor: string): Promise<Answer<DeadLetter>> {
    return answer(() => {
      const letter = this.#parts.letters.replay(id, actor);
      this.#parts.handling.run();
      return this.#changed(letter);
    });
  }

  dropDeadLetter(id: string, actor: string): Promise<Answer<DeadLetter>> {
    return answer(() => this.#changed(this.#parts.letters.drop(id, actor)));
  }

  receipts(query: ReceiptQuery): Promise<Answer<ReceiptPage>> {
    return this.#where.atSite(
      query.site,
      () => this.#parts.receiptSearch.list(query),
      (there) => there.receipts(query),
    );
  }

  receipt(id: string): Promise<Answer<ReceiptDetail>> {
    const here = () => this.#parts.receiptSearch.detail(this.#parts.receipts.get(id));
    return this.#where.atReceipt(id, here, (there) => there.receipt(id));
  }

  redeliver(id: string, actor: string): Promise<Answer<Receipt>> {
    const here = () => {
      this.#where.refuseLeaving(this.#parts.receipts.get(id).receipt.siteId);
      this.#parts.intake.redeliver(id, actor);
      return this.#parts.receipts.get(id).receipt;
    };
    return this.#where.atReceipt(id, here, (there) => there.redeliver(id, actor));
  }

  eraseReceipt(id: string, actor: string): Promise<Answer<Receipt>> {
    const here = () => {
      this.#where.refuseLeaving(this.#parts.receipts.get(id).receipt.siteId);
      this.#parts.sql.transaction(() => this.#parts.receipts.erase(id, actor));
      return this.#changed(this.#parts.receipts.get(id).receipt);
    };
    return this.#where.atReceipt(id, here, (there) => there.eraseReceipt(id, actor));
  }

  eraseReceipts(query: ReceiptQuery & { readonly site: string }, actor: string): Promise<Answer<Erasure>> {
    const here = async () => {
      const { items, next } = await this.#parts.receiptSearch.list(query);
      this.#where.refuseLeaving(query.site);
      const left = items.filter(({ state }) => state !== 'erased');
      this.#parts.sql.transaction(() => {
        for (const { id } of left) this.#parts.receipts.erase(id, actor);
      });
      return this.#changed({ erased: left.length, next });
    };
    return this.#where.edit(query.site, here, (there) => there.eraseReceipts(query, actor));
  }

  /** What a change in the control plane brings with it: send, write behind, watch the clock. */
  async #changed<T>(value: T): Promise<T> {
    this.#parts.lane.pump();
    this.#parts.telling.note('logs');
    await this.#settle();
    return value;
  }

  /** Relayed answers change nothing in the control plane, and must not pay for looking. */
  async #settle(): Promise<void> {
    const { commands, events, handling, sharedRows, chores } = this.#parts;
    if (sharedRows.canGoOn) chores.sharedRows.start();
    const changed = [commands.takeChanged(), events.takeChanged(), handling.takeChanged()];
    if (changed.includes(true)) await this.#followUp();
  }

  async #followUp(): Promise<void> {
    const { chores, alarm, control, handling, receipts, moves } = this.#parts;
    chores.projection.start();
    for (const at of [control.nextExpiry(), handling.nextRetry(), receipts.nextDue(), moves.nextDue()])
      if (at !== undefined) await alarm.by(at);
  }

  /** Counts the times that an event found this object asleep: an idle channel must not (PROTOCOL S8). */
  #wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.#parts.meta.add('wakes', 1);
  }

  #ended(socket: WebSocket, reason: string): void {
    const session = this.#sockets.remove(socket);
    if (session !== undefined) this.#lane.ended(session, reason);
  }
}
