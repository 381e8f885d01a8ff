import { DurableObject } from 'cloudflare:workers';
import {
  type ChannelStanding,
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
  type StatusReport,
  SUBPROTOCOL,
  sendableCode,
} from '@clawdbot/protocol';
import { createCipher } from '../cipher.ts';
import type { HubRpc } from '../hub/rpc.ts';
import { problemResponse, REQUEST_ID_HEADER } from '../problem.ts';
import { answer } from './answer.ts';
import type { CallLane } from './call-lane.ts';
import { type ChannelClaims, channelClaims } from './claims.ts';
import type { Lane } from './lane.ts';
import { prepareModules } from './modules.ts';
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

/**
 * The Durable Object that terminates one orchestrator's socket, named `<orchestrator>/<lane>`. Runtime
 * callbacks only: each finds its part, makes one call, and sees to what must follow.
 */
export class Channel extends DurableObject<ChannelEnv> implements ChannelRpc {
  readonly #sockets: Sockets;
  readonly #parts: Parts;
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
      peer: (name) => env.CHANNEL.getByName(name),
    });
    this.#lane = this.#parts.callLane ?? this.#parts.lane;
    this.#trunks = new Trunks({ relay: (call) => this.#relay(call), now: Date.now, after });
    this.#sockets.rehydrate(this.#lane);
    if (this.#lane === this.#parts.lane) this.#parts.lane.wake();
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

  async pickUp(requestId: string): Promise<Answer<RelayReply>> {
    const picked = await answer(() => this.#trunks.pickUp(requestId));
    return picked.ok ? picked.value : picked;
  }

  #relay(call: RelayCall): Promise<RelayReply> {
    return (this.#parts.callLane ?? this.#parts.door).relay(call);
  }

  getStatus(call: StatusCall): Promise<Answer<StatusReport>> {
    return answer(() => this.#lane.getStatus(call));
  }

  async cancelCall(requestId: string): Promise<void> {
    this.#lane.cancelCall(requestId);
  }

  async isReachable(): Promise<boolean> {
    return this.#lane.isReachable;
  }

  routes(siteId: string): Promise<Answer<SiteRoutes>> {
    return answer(() => this.#parts.routes.of(siteId));
  }

  async incumbency(): Promise<Incumbency> {
    return this.#parts.lane.incumbency();
  }

  async supersede(by: Incumbency): Promise<void> {
    this.#parts.callLane?.supersede(by);
  }

  deploy(submission: DeploySubmission): Promise<Answer<Taken>> {
    return answer(async () => {
      const modules = await prepareModules(submission.payload);
      return this.#changed(this.#parts.control.deploy(submission, modules));
    });
  }

  rollback(submission: RollbackSubmission): Promise<Answer<Taken>> {
    return answer(() => this.#changed(this.#parts.control.rollback(submission)));
  }

  adopt(submission: AdoptSubmission): Promise<Answer<Taken>> {
    return answer(() => this.#changed(this.#parts.control.adopt(submission)));
  }

  updateConfig(submission: ConfigSubmission): Promise<Answer<Taken>> {
    return answer(() => {
      const taken = this.#parts.control.updateConfig(submission);
      return this.#changed({ ...taken, warnings: this.#parts.configStates.warnings(submission.siteId) });
    });
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
      this.#parts.receipts.removeSite(siteId);
      this.#parts.stale.removeSite(siteId);
      return this.#changed(null);
    });
  }

  config(siteId: string): Promise<Answer<SiteConfigState>> {
    return answer(() => this.#parts.configStates.of(siteId));
  }

  configHistory(siteId: string, limit: number, after?: number): Promise<Answer<GenerationPage>> {
    return answer(() => this.#parts.history.list(siteId, limit, after));
  }

  configGeneration(siteId: string, generation: number): Promise<Answer<ConfigGenerationDetail>> {
    return answer(() => this.#parts.history.get(siteId, generation));
  }

  publicConfig(siteId: string): Promise<Answer<PublicPart>> {
    return answer(() => this.#parts.publicConfigs.of(siteId));
  }

  putSecret({ siteId, name, value, actor }: SecretSubmission): Promise<Answer<boolean>> {
    return answer(() => this.#parts.secrets.put(siteId, name, value, actor));
  }

  secrets(siteId: string): Promise<Answer<SecretSummary[]>> {
    return answer(() => this.#parts.secrets.list(siteId));
  }

  deleteSecret(siteId: string, name: string): Promise<Answer<null>> {
    return answer(() => {
      this.#parts.secrets.delete(siteId, name);
      return null;
    });
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
    return answer(() => this.#parts.receiptSearch.list(query));
  }

  receipt(id: string): Promise<Answer<ReceiptDetail>> {
    return answer(() => this.#parts.receiptSearch.detail(this.#parts.receipts.get(id)));
  }

  redeliver(id: string, actor: string): Promise<Answer<Receipt>> {
    return answer(() => {
      this.#parts.intake.redeliver(id, actor);
      return this.#parts.receipts.get(id).receipt;
    });
  }

  eraseReceipt(id: string, actor: string): Promise<Answer<Receipt>> {
    return answer(() => {
      this.#parts.receipts.get(id);
      this.#parts.sql.transaction(() => this.#parts.receipts.erase(id, actor));
      return this.#changed(this.#parts.receipts.get(id).receipt);
    });
  }

  eraseReceipts(query: ReceiptQuery & { readonly site: string }, actor: string): Promise<Answer<Erasure>> {
    return answer(async () => {
      const { items, next } = await this.#parts.receiptSearch.list(query);
      const left = items.filter(({ state }) => state !== 'erased');
      this.#parts.sql.transaction(() => {
        for (const { id } of left) this.#parts.receipts.erase(id, actor);
      });
      return this.#changed({ erased: left.length, next });
    });
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
    const { chores, alarm, control, handling, receipts } = this.#parts;
    chores.projection.start();
    for (const at of [control.nextExpiry(), handling.nextRetry(), receipts.nextDue()])
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
