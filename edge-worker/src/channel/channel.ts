import type {
  ChannelStanding,
  Command,
  ConfigGenerationDetail,
  DeadLetter,
  DeadLetterDetail,
  Receipt,
  ReceiptDetail,
  SecretSummary,
  SiteConfigState,
  SiteMove,
  SiteQueued,
  StatusReport,
} from '@clawdbot/protocol';
import { unwrap } from '../ask.ts';
import { type Answer, answer } from './answer.ts';
import type { ChannelClaims } from './claims.ts';
import { prepareModules } from './modules.ts';
import type { Arrival, ArrivalMessage } from './move/rpc.ts';
import { ChannelObject } from './object.ts';
import type { RelayCall, RelayReply, SiteRoutes, StatusCall } from './relay-rpc.ts';
import type {
  AdoptSubmission,
  ChannelRpc,
  ChannelState,
  ConfigSubmission,
  DeploymentPage,
  DeploymentQuery,
  DeploySubmission,
  Erasure,
  GenerationPage,
  Incumbency,
  LetterPage,
  PublicPart,
  ReceiptPage,
  ReceiptQuery,
  Removal,
  RollbackSubmission,
  SecretSubmission,
  Taken,
} from './rpc.ts';
import { after } from './timer.ts';
import { useToken } from './tokens.ts';
import { Trunks } from './trunks.ts';

/**
 * The object that terminates an orchestrator's sockets, as the Worker asks it: each method finds its part, makes one call, and
 * sees to what must follow; for a site that has moved away it asks where that is now.
 */
export class Channel extends ChannelObject implements ChannelRpc {
  readonly #trunks = new Trunks({ relay: (call) => this.#relay(call), now: Date.now, after });

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
    const here = () => this.parts.tallies.relay(call, this.parts.callLane ?? this.parts.door);
    // Nearly always; it costs no turn more.
    if (call.siteId === undefined || this.where.isSettled(call.siteId)) return here();
    return this.where.atSite(call.siteId, here, (there) => there.relay(call)).then(unwrap);
  }

  getStatus(call: StatusCall): Promise<Answer<StatusReport>> {
    return this.where.atSite(
      call.siteId,
      () => this.lane.getStatus(call),
      (there) => there.getStatus(call),
    );
  }

  async cancelCall(requestId: string): Promise<void> {
    this.lane.cancelCall(requestId);
    await this.where.everywhereElse((there) => there.cancelCall(requestId));
  }

  async isReachable(): Promise<boolean> {
    return this.lane.isReachable;
  }

  routes(siteId: string): Promise<Answer<SiteRoutes>> {
    return this.where.atSite(
      siteId,
      () => this.parts.routes.of(siteId),
      // The lanes of this orchestrator are not to be asked any more.
      async () => ({ ok: true, value: { lanes: 1, isPaused: false, routes: [] } }),
    );
  }

  async incumbency(): Promise<Incumbency> {
    return this.parts.succession.incumbency();
  }

  async supersede(by: Incumbency): Promise<void> {
    this.parts.callLane?.supersede(by);
  }

  deploy(submission: DeploySubmission): Promise<Answer<Taken>> {
    const here = async () => {
      const modules = await prepareModules(submission.payload);
      this.where.refuseLeaving(submission.siteId);
      return this.changed(this.parts.control.deploy(submission, modules));
    };
    return this.where.edit(submission.siteId, here, (there) => there.deploy(submission));
  }

  rollback(submission: RollbackSubmission): Promise<Answer<Taken>> {
    const here = async () => {
      this.where.refuseLeaving(submission.siteId);
      return this.changed(this.parts.control.rollback(submission));
    };
    return this.where.edit(submission.siteId, here, (there) => there.rollback(submission));
  }

  adopt(submission: AdoptSubmission): Promise<Answer<Taken>> {
    const here = () => this.changed(this.parts.control.adopt(submission));
    return this.where.edit(submission.siteId, here, (there) => there.adopt(submission));
  }

  updateConfig(submission: ConfigSubmission): Promise<Answer<Taken>> {
    const here = async () => {
      const taken = this.parts.control.updateConfig(submission);
      return this.changed({ ...taken, warnings: this.parts.configStates.warnings(submission.siteId) });
    };
    return this.where.edit(submission.siteId, here, (there) => there.updateConfig(submission));
  }

  deployments(query: DeploymentQuery): Promise<Answer<DeploymentPage>> {
    return this.where.atSite(
      query.site,
      () => this.parts.deployments.list(query),
      (there) => there.deployments(query),
    );
  }

  command(commandId: string): Promise<Answer<Command>> {
    const here = () => this.parts.commands.get(commandId);
    return this.where.atCommand(commandId, here, (there) => there.command(commandId));
  }

  cancelCommand(commandId: string, actor: string): Promise<Answer<Command>> {
    const here = () => {
      this.where.refuseHeld(this.parts.commands.get(commandId).siteId);
      return this.changed(this.parts.control.cancel(commandId, actor));
    };
    return this.where.atCommand(commandId, here, (there) => there.cancelCommand(commandId, actor));
  }

  putSite(
    siteId: string,
    state: { readonly paused: boolean; readonly orgId: string; readonly isNew?: boolean },
  ): Promise<Answer<null>> {
    const here = () => {
      this.parts.meta.set('org', state.orgId);
      this.parts.configs.put(siteId, state.paused);
      this.parts.book.changed();
      return null;
    };
    if (state.isNew === true)
      return answer(() => {
        this.parts.departures.replace(siteId);
        return this.changed(here());
      });
    return this.where.edit(siteId, here, (there) => there.putSite(siteId, state));
  }

  queued(siteId: string): Promise<Answer<SiteQueued>> {
    return this.where.atSite(
      siteId,
      () => this.parts.removal.queued(siteId),
      (there) => there.queued(siteId),
    );
  }

  removeSite(siteId: string, { ifIdle = false } = {}): Promise<Answer<Removal>> {
    return this.where.edit(
      siteId,
      () => this.changed(this.parts.removal.remove(siteId, ifIdle)),
      (there) => there.removeSite(siteId, { ifIdle }),
    );
  }

  moveSite(siteId: string, target: string, actor: string): Promise<Answer<SiteMove>> {
    const here = () => this.parts.moves.begin(siteId, target, actor);
    return this.where.atSite(siteId, here, (there) => there.moveSite(siteId, target, actor));
  }

  cancelMove(moveId: string, actor: string): Promise<Answer<SiteMove>> {
    return answer(() => this.parts.moves.cancel(moveId, actor));
  }

  siteMove(moveId: string): Promise<Answer<SiteMove>> {
    return answer(() => this.parts.departures.move(moveId));
  }

  arrival(message: ArrivalMessage): Promise<Answer<Arrival>> {
    return answer(async () => this.changed(await this.parts.moves.take(message)));
  }

  config(siteId: string): Promise<Answer<SiteConfigState>> {
    return this.where.atSite(
      siteId,
      () => this.parts.configStates.of(siteId),
      (there) => there.config(siteId),
    );
  }

  configHistory(siteId: string, limit: number, after?: number): Promise<Answer<GenerationPage>> {
    return this.where.atSite(
      siteId,
      () => this.parts.history.list(siteId, limit, after),
      (there) => there.configHistory(siteId, limit, after),
    );
  }

  configGeneration(siteId: string, generation: number): Promise<Answer<ConfigGenerationDetail>> {
    return this.where.atSite(
      siteId,
      () => this.parts.history.get(siteId, generation),
      (there) => there.configGeneration(siteId, generation),
    );
  }

  publicConfig(siteId: string): Promise<Answer<PublicPart>> {
    return this.where.atSite(
      siteId,
      () => this.parts.publicConfigs.of(siteId),
      (there) => there.publicConfig(siteId),
    );
  }

  putSecret(secret: SecretSubmission): Promise<Answer<boolean>> {
    const { siteId, name, value, actor } = secret;
    const here = async () => {
      const isNew = await this.parts.secrets.put(siteId, name, value, actor);
      // It was sealed while the site began to leave, and may have stayed behind.
      this.where.refuseLeaving(siteId);
      return isNew;
    };
    return this.where.edit(siteId, here, (there) => there.putSecret(secret));
  }

  secrets(siteId: string): Promise<Answer<SecretSummary[]>> {
    return this.where.atSite(
      siteId,
      () => this.parts.secrets.list(siteId),
      (there) => there.secrets(siteId),
    );
  }

  deleteSecret(siteId: string, name: string): Promise<Answer<null>> {
    const here = () => {
      this.parts.secrets.delete(siteId, name);
      return null;
    };
    return this.where.edit(siteId, here, (there) => there.deleteSecret(siteId, name));
  }

  async syncShared(orgId: string): Promise<void> {
    this.parts.meta.set('org', orgId);
    this.parts.chores.sharedRows.start();
  }

  async describe({ watch = false }: { readonly watch?: boolean } = {}): Promise<ChannelState> {
    this.parts.lane.look();
    if (watch) await this.parts.telling.watch();
    return this.parts.state.describe();
  }

  async release(): Promise<ChannelState> {
    this.parts.lane.release();
    return this.parts.state.describe();
  }

  async cutKey(kid: string): Promise<void> {
    this.parts.revocations.cut(kid);
  }

  standing(claims: ChannelClaims): Promise<Answer<ChannelStanding>> {
    return answer(() => {
      useToken(this.parts.sql, claims, Date.now());
      return this.parts.state.standing();
    });
  }

  deadLetters(limit: number, after?: string): Promise<Answer<LetterPage>> {
    return answer(() => this.parts.letters.list(limit, after));
  }

  deadLetter(id: string): Promise<Answer<DeadLetterDetail>> {
    return answer(() => this.parts.letters.get(id));
  }

  replayDeadLetter(id: string, actor: string): Promise<Answer<DeadLetter>> {
    return answer(() => {
      const letter = this.parts.letters.replay(id, actor);
      this.parts.handling.run();
      return this.changed(letter);
    });
  }

  dropDeadLetter(id: string, actor: string): Promise<Answer<DeadLetter>> {
    return answer(() => this.changed(this.parts.letters.drop(id, actor)));
  }

  receipts(query: ReceiptQuery): Promise<Answer<ReceiptPage>> {
    return this.where.atSite(
      query.site,
      () => this.parts.receiptSearch.list(query),
      (there) => there.receipts(query),
    );
  }

  receipt(id: string): Promise<Answer<ReceiptDetail>> {
    const here = () => this.parts.receiptSearch.detail(this.parts.receipts.get(id));
    return this.where.atReceipt(id, here, (there) => there.receipt(id));
  }

  redeliver(id: string, actor: string): Promise<Answer<Receipt>> {
    const here = () => {
      this.where.refuseLeaving(this.parts.receipts.get(id).receipt.siteId);
      this.parts.intake.redeliver(id, actor);
      return this.parts.receipts.get(id).receipt;
    };
    return this.where.atReceipt(id, here, (there) => there.redeliver(id, actor));
  }

  eraseReceipt(id: string, actor: string): Promise<Answer<Receipt>> {
    const here = () => {
      this.where.refuseLeaving(this.parts.receipts.get(id).receipt.siteId);
      this.parts.sql.transaction(() => this.parts.receipts.erase(id, actor));
      return this.changed(this.parts.receipts.get(id).receipt);
    };
    return this.where.atReceipt(id, here, (there) => there.eraseReceipt(id, actor));
  }

  eraseReceipts(query: ReceiptQuery & { readonly site: string }, actor: string): Promise<Answer<Erasure>> {
    const here = async () => {
      const { items, next } = await this.parts.receiptSearch.list(query);
      this.where.refuseLeaving(query.site);
      const left = items.filter(({ state }) => state !== 'erased');
      this.parts.sql.transaction(() => {
        for (const { id } of left) this.parts.receipts.erase(id, actor);
      });
      return this.changed({ erased: left.length, next });
    };
    return this.where.edit(query.site, here, (there) => there.eraseReceipts(query, actor));
  }
}
