import { CONTROL_LANE, type StatusReport } from '@clawdbot/protocol';
import { objectFailure } from '../ask.ts';
import type { Answer } from '../channel/answer.ts';
import type { RelayCall, RelayReply, StatusCall } from '../channel/relay-rpc.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import type { SiteEntry } from '../data/directory.ts';
import { gone } from './call.ts';
import type { Lanes } from './lanes.ts';
import { type FreePassage, passageOf, type RouteTable, type RouteTables } from './routes.ts';
import type { TrunkServices, Trunks } from './trunks.ts';

interface CarriageServices extends TrunkServices {
  readonly lanes: Lanes;
  readonly routeTables: RouteTables;
  readonly trunks: Pick<Trunks, 'relay' | 'withdraw'>;
  channel(orchestratorId: string, lane: number): ChannelRpc;
}

/** One try of a call. `deadlineMs`: of its route, where the Worker knows it; lane 0's object does by itself. */
interface Try {
  readonly lane: number;
  readonly deadlineMs?: number;
}

type Tries = Iterable<Try> | AsyncIterable<Try>;

/** The object of a lane, made when it is spoken to: a call that goes with others never does itself. */
type Port = () => ChannelRpc;

/** What a call is made of, for each try. */
interface Cargo<T> {
  /** Nothing but an answer comes of it, so that it may be asked once more when a socket was lost under it. */
  readonly isSafe: boolean;
  ask(channel: Port, aTry: Try): Promise<Answer<T>>;
}

/**
 * One call on its way over an orchestrator's lanes. A lane that has not begun with it is passed over for the next; a
 * safe one whose lane was lost under it is tried once more on another; everything else has one answer.
 */
export class Carriage {
  readonly #site: SiteEntry;
  readonly #services: CarriageServices;
  /** The lane that has the call. */
  #current: { readonly lane: number; readonly channel: Port } | undefined;
  #isCancelled = false;

  constructor(site: SiteEntry, services: CarriageServices) {
    this.#site = site;
    this.#services = services;
  }

  relay(call: RelayCall): Promise<Answer<RelayReply>> {
    const { now, routeTables, trunks } = this.#services;
    const startedAt = now();
    const cargo: Cargo<RelayReply> = {
      isSafe: (call.method === 'GET' || call.method === 'HEAD') && call.body === null,
      ask: (channel, { lane, deadlineMs = call.deadlineMs }) => {
        const leftMs = Math.max(1, deadlineMs - (now() - startedAt));
        const tried = { ...call, deadlineMs: leftMs };
        return trunks.relay(this.#nameOf(lane), channel, tried, this.#services);
      },
    };
    const table = routeTables.known(this.#site, this.#services);
    const passage = table === undefined ? undefined : passageOf(table, call);
    if (passage?.anyLane === false) return this.#overControl(cargo);
    const tries =
      table === undefined || passage === undefined ? this.#onceKnown(call) : this.#inOrder(table, passage);
    const isKept = call.body === null || call.body instanceof Uint8Array;
    return isKept ? this.#carry(cargo, tries) : this.#carryOnce(cargo, tries);
  }

  /** Over lane 0 if it is there, since that one knows whether the site is; else over another. */
  getStatus(call: StatusCall): Promise<Answer<StatusReport>> {
    const ask = (channel: Port) => channel().getStatus(call);
    return this.#carry({ isSafe: true, ask }, this.#controlFirst());
  }

  /** Nobody waits for it any more. */
  async cancelCall(requestId: string): Promise<void> {
    this.#isCancelled = true;
    if (this.#current === undefined) return;
    const { lane, channel } = this.#current;
    if (!this.#services.trunks.withdraw(this.#nameOf(lane), requestId)) await channel().cancelCall(requestId);
  }

  #nameOf(lane: number): string {
    return `${this.#site.orchestratorId}/${lane}`;
  }

  async #carry<T>(cargo: Cargo<T>, tries: Tries): Promise<Answer<T>> {
    const { orchestratorId } = this.#site;
    const { lanes } = this.#services;
    let failed: Answer<T> | undefined;
    let isLost = false;
    for await (const aTry of tries) {
      const { lane } = aTry;
      if (failed !== undefined && this.#isCancelled) break;
      const answer = await this.#ask(cargo, this.#over(lane), aTry);
      const end = endOf(answer);
      if (end === 'answered') lanes.answered(orchestratorId, lane);
      else lanes.away(orchestratorId, lane);
      if (end === 'answered' || (end === 'lost' && (isLost || !cargo.isSafe))) return answer;
      // Of those that were away lane 0 is heard: it knows when the orchestrator is expected back.
      if (end === 'lost' || (!isLost && (failed === undefined || lane === CONTROL_LANE))) failed = answer;
      isLost ||= end === 'lost';
    }
    if (failed === undefined) throw new TypeError('a call has a lane to try');
    return failed;
  }

  /**
   * A body that streams is gone once it was handed over, also to an object without a socket: it goes to the first lane
   * that has one, else to lane 0, which knows what its route does while the orchestrator is away.
   */
  async #carryOnce<T>(cargo: Cargo<T>, tries: Tries): Promise<Answer<T>> {
    for await (const aTry of tries) {
      const channel = this.#over(aTry.lane);
      const takes = await channel()
        .isReachable()
        .catch(() => false);
      if (this.#isCancelled) return { ok: false, error: gone('not_started').toWire() };
      if (takes) return this.#ask(cargo, channel, aTry);
      this.#services.lanes.away(this.#site.orchestratorId, aTry.lane);
    }
    return this.#overControl(cargo);
  }

  #overControl<T>(cargo: Cargo<T>): Promise<Answer<T>> {
    return this.#ask(cargo, this.#over(CONTROL_LANE), { lane: CONTROL_LANE });
  }

  /** From here on this lane has the call. */
  #over(lane: number): Port {
    const channel = () => this.#services.channel(this.#site.orchestratorId, lane);
    this.#current = { lane, channel };
    return channel;
  }

  async #ask<T>(cargo: Cargo<T>, channel: Port, aTry: Try): Promise<Answer<T>> {
    try {
      return await cargo.ask(channel, aTry);
    } catch (thrown) {
      return { ok: false, error: objectFailure(thrown).toWire() };
    }
  }

  #inOrder({ order }: RouteTable, { deadlineMs }: FreePassage): Try[] {
    const lanes = this.#services.lanes.order(this.#site.orchestratorId, order);
    return lanes.map((lane) => (lane === CONTROL_LANE ? { lane } : { lane, deadlineMs }));
  }

  /** Lane 0 needs no table; the others are tried when it has not begun, and one has been loaded. */
  async *#onceKnown(call: RelayCall): AsyncGenerator<Try> {
    yield { lane: CONTROL_LANE };
    const table = await this.#table();
    const passage = table === undefined ? undefined : passageOf(table, call);
    if (table === undefined || passage?.anyLane !== true) return;
    yield* this.#inOrder(table, passage).filter(({ lane }) => lane !== CONTROL_LANE);
  }

  async *#controlFirst(): AsyncGenerator<Try> {
    yield { lane: CONTROL_LANE };
    const table = await this.#table();
    const order = this.#services.lanes.order(this.#site.orchestratorId, table?.order ?? []);
    for (const lane of order) if (lane !== CONTROL_LANE) yield { lane };
  }

  /** Without an answer of lane 0's object no other lane is tried. */
  #table() {
    return this.#services.routeTables.get(this.#site, this.#services).catch(() => undefined);
  }
}

/** `away`: no lane has begun with it. `lost`: one has, and nothing of an answer has come. */
function endOf(answer: Answer<unknown>): 'answered' | 'away' | 'lost' {
  if (answer.ok) return 'answered';
  const { code, execution } = answer.error;
  if (code === 'orchestrator_away' && execution === 'not_started') return 'away';
  return code === 'orchestrator_lost' ? 'lost' : 'answered';
}
