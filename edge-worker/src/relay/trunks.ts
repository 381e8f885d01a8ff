import { bodyOfHead, headOfBody } from '@clawdbot/protocol';
import { objectFailure, objectLost } from '../ask.ts';
import type { Answer } from '../channel/answer.ts';
import type { RelayCall, RelayReply, TrunkAnswer, TrunkCall } from '../channel/relay-rpc.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import { gone } from './call.ts';

/** A call that went by itself and is not answered after this waits for its upstream: the next one goes alone, too. */
const ALONE_MS = 1_000;
/**
 * For so long a request carries others' calls with its own. The platform lets a request go on for 30 s after its
 * answer: https://developers.cloudflare.com/workers/runtime-apis/context/#waituntil
 */
const TERM_MS = 2_000;
/** A call that is not answered after this waits by itself, since who carries it must end. */
const PATIENCE_MS = 2_000;
/** Longest call that shares a hop, as JSON … */
const SHARED_CHARS_MAX = 32 * 1024;
/** … and as many go in one: an RPC carries 32 MiB at most. */
const RIDERS_MAX = 256;
/**
 * Hops that one request pays for, and as many again for what is open then: a request has 10,000 on the Paid plan.
 * https://developers.cloudflare.com/workers/platform/limits/#subrequests
 */
const HOPS_MAX = 400;

type TrunkPort = Pick<ChannelRpc, 'relay' | 'exchange' | 'pickUp'>;
/** Made when it is spoken to: most calls ride, and never do. */
type PortOf = () => TrunkPort;

export interface TrunkServices {
  now(): number;
  randomHex(bytes: number): string;
  background(task: Promise<unknown>): void;
}

/** A call on its way with others: it is `settled` with nothing when it has to be asked for by itself. */
interface Rider {
  readonly requestId: string;
  readonly text: string;
  settle: (answer: TrunkAnswer | undefined) => void;
  /** Once it is under way. */
  carrier?: Carrier;
}

/**
 * Per isolate: calls of several customers' requests that cross to an object in one RPC. A hop to an object costs workerd
 * some 100 µs, whatever crosses in it: eight calls that share one cost little more than one alone. I/O belongs to one
 * request at the platform, so one of them carries the others' calls, as plain text, and gives them their answers.
 */
export class Trunks {
  readonly #trunks = new Map<string, Trunk>();
  readonly #patienceMs: number;

  constructor(patienceMs = PATIENCE_MS) {
    this.#patienceMs = patienceMs;
  }

  /** @param name of the object behind `port`. Rejects as an RPC does. */
  relay(name: string, port: PortOf, call: RelayCall, services: TrunkServices): Promise<Answer<RelayReply>> {
    let trunk = this.#trunks.get(name);
    if (trunk === undefined) {
      if (this.#trunks.size >= TRUNKS_MAX) this.#trunks.clear();
      trunk = new Trunk(this.#patienceMs);
      this.#trunks.set(name, trunk);
    }
    return trunk.relay(port, call, services);
  }

  /** Nobody waits for this call any more. @returns whether that was all to be done: it had not gone yet */
  withdraw(name: string, requestId: string): boolean {
    return this.#trunks.get(name)?.withdraw(requestId) ?? false;
  }
}

/** As many objects as one isolate has to do with; one that is forgotten here only begins anew. */
const TRUNKS_MAX = 1_000;

class Trunk {
  readonly #patienceMs: number;
  /** The call that went by itself last, until it is answered. */
  #alone: { readonly at: number } | undefined;
  #waiting: Rider[] = [];
  #carrier: Carrier | undefined;

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  relay(port: PortOf, call: RelayCall, services: TrunkServices): Promise<Answer<RelayReply>> {
    const now = services.now();
    if (this.#alone === undefined || now - this.#alone.at >= ALONE_MS) return this.#byItself(port, call, now);
    const text = textOf(call);
    return text === undefined ? port().relay(call) : this.#ride(port, call, text, services);
  }

  withdraw(requestId: string): boolean {
    const at = this.#waiting.findIndex((rider) => rider.requestId === requestId);
    const [waiting] = at < 0 ? [] : this.#waiting.splice(at, 1);
    const rider = waiting ?? this.#carrier?.abandon(requestId);
    rider?.settle({ requestId, error: gone('may_have_executed').toWire() });
    return waiting !== undefined;
  }

  async #byItself(port: PortOf, call: RelayCall, now: number): Promise<Answer<RelayReply>> {
    const mark = { at: now };
    this.#alone = mark;
    try {
      return await port().relay(call);
    } finally {
      if (this.#alone === mark) this.#alone = undefined;
    }
  }

  async #ride(
    port: PortOf,
    call: RelayCall,
    text: string,
    services: TrunkServices,
  ): Promise<Answer<RelayReply>> {
    const { requestId } = call;
    const { promise, resolve } = Promise.withResolvers<TrunkAnswer | undefined>();
    const rider: Rider = { requestId, text, settle: resolve };
    this.#waiting.push(rider);
    this.#carry(port, services);
    // Also what keeps the runtime from taking this request for one that waits for nothing. Not taken back: it ends with
    // its request, and each call into the runtime costs.
    setTimeout(() => resolve(undefined), this.#patienceMs);
    const answer = await promise;
    if (answer !== undefined && !('apart' in answer)) return answerOf(answer);
    if (rider.carrier === undefined) {
      // Whoever was to carry it is gone.
      this.#waiting = this.#waiting.filter((other) => other !== rider);
      return port().relay(call);
    }
    return this.#pickUp(port, rider, rider.carrier);
  }

  async #pickUp(port: PortOf, rider: Rider, carrier: Carrier): Promise<Answer<RelayReply>> {
    const { promise, resolve } = Promise.withResolvers<TrunkAnswer | undefined>();
    rider.settle = resolve;
    carrier.leave(rider);
    try {
      const picked = await port().pickUp(rider.requestId).catch(lost);
      if (picked !== undefined) return picked;
      // The object has given its answer to an exchange: it is on the way here, unless who carried it is gone.
      setTimeout(() => resolve(undefined), this.#patienceMs);
      const answer = await promise;
      return answer === undefined || 'apart' in answer ? lost() : answerOf(answer);
    } finally {
      carrier.forget(rider);
    }
  }

  #carry(port: PortOf, services: TrunkServices): void {
    if (this.#carrier?.takesMore(services.now())) {
      this.#carrier.wake();
      return;
    }
    const carrier: Carrier = new Carrier(port(), services, () =>
      this.#carrier === carrier ? this.#waiting.splice(0, RIDERS_MAX) : [],
    );
    this.#carrier = carrier;
    services.background(carrier.run());
  }
}

/** One request's turn to carry. */
class Carrier {
  readonly #port: TrunkPort;
  readonly #take: () => Rider[];
  readonly #id: string;
  readonly #startedAt: number;
  /** Those that it waits for … */
  readonly #riders = new Map<string, Rider>();
  /** … and those that ask for themselves, whose answer may be on its way here all the same. */
  readonly #leaving = new Map<string, Rider>();
  #exchanges = 0;
  #hops = 0;
  #wake: () => void = () => undefined;
  #over = false;

  constructor(port: TrunkPort, { now, randomHex }: TrunkServices, take: () => Rider[]) {
    this.#port = port;
    this.#take = take;
    this.#id = randomHex(8);
    this.#startedAt = now();
  }

  takesMore(now: number): boolean {
    return !this.#over && now - this.#startedAt < TERM_MS && this.#hops < HOPS_MAX;
  }

  wake(): void {
    this.#wake();
  }

  /** It waits by itself from here on. */
  leave(rider: Rider): void {
    this.#riders.delete(rider.requestId);
    this.#leaving.set(rider.requestId, rider);
  }

  forget({ requestId }: Rider): void {
    this.#leaving.delete(requestId);
  }

  /** Its customer has gone: the platform complains of answers for a request that has ended. */
  abandon(requestId: string): Rider | undefined {
    const rider = this.#riders.get(requestId) ?? this.#leaving.get(requestId);
    this.#riders.delete(requestId);
    this.#leaving.delete(requestId);
    return rider;
  }

  /** Never rejects. */
  async run(): Promise<void> {
    for (;;) {
      const riders = this.#take();
      if (this.#hops >= 2 * HOPS_MAX) this.#leaveAll();
      if (riders.length > 0 || (this.#riders.size > 0 && this.#exchanges === 0)) {
        void this.#exchange(riders);
        // What comes within this turn of the event loop goes together.
        await new Promise<void>((resolve) => setTimeout(resolve, 0));
        continue;
      }
      if (this.#exchanges === 0) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#over = true;
  }

  async #exchange(riders: readonly Rider[]): Promise<void> {
    this.#exchanges++;
    this.#hops++;
    for (const rider of riders) {
      rider.carrier = this;
      this.#riders.set(rider.requestId, rider);
    }
    try {
      const calls = `[${riders.map(({ text }) => text).join(',')}]`;
      const answers: TrunkAnswer[] = JSON.parse(await this.#port.exchange(this.#id, calls));
      for (const answer of answers) this.#settle(answer);
    } catch (thrown) {
      const error = objectFailure(thrown).toWire();
      for (const { requestId } of riders) this.#settle({ requestId, error });
      // Of those that went before it says nothing: the object does, to each.
      this.#leaveAll();
    }
    this.#exchanges--;
    this.#wake();
  }

  #settle(answer: TrunkAnswer): void {
    const { requestId } = answer;
    (this.#riders.get(requestId) ?? this.#leaving.get(requestId))?.settle(answer);
    this.#riders.delete(requestId);
  }

  #leaveAll(): void {
    for (const rider of [...this.#riders.values()]) {
      this.leave(rider);
      rider.settle(undefined);
    }
  }
}

/** As JSON; undefined for one that goes by itself, since its body streams or is large. */
function textOf({ body, bodyLength: _, ...call }: RelayCall): string | undefined {
  if (body instanceof ReadableStream) return undefined;
  const head = headOfBody(body);
  if (head.kind === 'stream') return undefined;
  const shared: TrunkCall = head.kind === 'none' ? call : { ...call, body: head };
  const text = JSON.stringify(shared);
  return text.length > SHARED_CHARS_MAX ? undefined : text;
}

function answerOf(answer: Exclude<TrunkAnswer, { apart: true }>): Answer<RelayReply> {
  if ('error' in answer) {
    const { requestId: _, ...failed } = answer;
    return { ok: false, ...failed };
  }
  const { status, headers, body } = answer;
  return { ok: true, value: { status, headers, body: bodyOfHead(body) } };
}

/** The object has begun with it, and gives no answer: also when it says that it is overloaded, by then. */
function lost(): Answer<never> {
  return { ok: false, error: objectLost().toWire() };
}
