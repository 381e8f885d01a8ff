import { afterMicrotasks, bytesOfHead, Failure, headOfBody } from '@clawdbot/protocol';
import { type Answer, answer } from './answer.ts';
import type { After } from './liveness.ts';
import type { RelayCall, RelayReply, TrunkAnswer, TrunkCall } from './relay-rpc.ts';

/** More exchanges than these wait for no more answers than one: the oldest returns with none. */
const WAITING_MAX = 4;
/** A trunk that exchanges nothing for so long has lost its Worker. */
const IDLE_MS = 30_000;
/** An answer that goes by itself is fetched at once, or by nobody. */
const APART_MS = 10_000;

export interface TrunksPorts {
  readonly relay: (call: RelayCall) => Promise<RelayReply>;
  readonly now: () => number;
  readonly after: After;
}

/** A call that came over a trunk, until its answer is on the way back. */
interface Ride {
  readonly requestId: string;
  readonly answer: Promise<Answer<RelayReply>>;
  /** Undefined once it is answered, or fetched by itself. */
  trunk: Trunk | undefined;
}

/** One Worker's trunk: its calls, and its exchanges that wait for answers. */
interface Trunk {
  readonly id: string;
  readonly waiting: ((answers: readonly TrunkAnswer[]) => void)[];
  /** Calls without an answer. */
  open: number;
  /** Answers that are there, by the id of their request. */
  readonly ready: Map<string, TrunkAnswer>;
  usedAt: number;
  isGathering: boolean;
}

/**
 * The object's end of trunks: calls of several customers that a Worker brings in one RPC, since a hop costs workerd some
 * 100 µs, whatever crosses in it. Each call is relayed by itself; answers that are there at the same time go back
 * together, over whichever exchange of their trunk waits. What is large, or late, is fetched by itself.
 */
export class Trunks {
  readonly #ports: TrunksPorts;
  readonly #trunks = new Map<string, Trunk>();
  readonly #rides = new Map<string, Ride>();

  constructor(ports: TrunksPorts) {
    this.#ports = ports;
  }

  /** @returns answers when there are any, of these calls or of earlier ones; none when nothing is open any more */
  exchange(id: string, calls: readonly TrunkCall[]): Promise<readonly TrunkAnswer[]> {
    const trunk = this.#trunk(id);
    const { promise, resolve } = Promise.withResolvers<readonly TrunkAnswer[]>();
    for (const call of calls) this.#begin(trunk, call);
    trunk.waiting.push(resolve);
    if (trunk.waiting.length > WAITING_MAX) trunk.waiting.shift()?.([]);
    this.#gather(trunk);
    return promise;
  }

  /** One call's answer, whatever its size; undefined when the call is not here, or an exchange has its answer. */
  pickUp(requestId: string): Promise<Answer<RelayReply>> | undefined {
    const ride = this.#rides.get(requestId);
    if (ride === undefined) return undefined;
    this.#rides.delete(requestId);
    this.#leave(ride);
    return ride.answer;
  }

  #trunk(id: string): Trunk {
    const now = this.#ports.now();
    const known = this.#trunks.get(id);
    if (known !== undefined) {
      known.usedAt = now;
      return known;
    }
    for (const trunk of this.#trunks.values()) if (now - trunk.usedAt > IDLE_MS) this.#end(trunk);
    const trunk: Trunk = { id, waiting: [], open: 0, ready: new Map(), usedAt: now, isGathering: false };
    this.#trunks.set(id, trunk);
    return trunk;
  }

  #begin(trunk: Trunk, { body, ...call }: TrunkCall): void {
    const { requestId } = call;
    const relay = () => this.#ports.relay({ ...call, body: body === undefined ? null : bytesOfHead(body) });
    const ride: Ride = { requestId, answer: answer(relay).catch(broken), trunk };
    trunk.open++;
    this.#rides.set(requestId, ride);
    void ride.answer.then((given) => this.#answered(ride, given));
  }

  #answered(ride: Ride, given: Answer<RelayReply>): void {
    if (ride.trunk === undefined) return;
    const answer = onTrunk(ride.requestId, given);
    const hasEnded = this.#trunks.get(ride.trunk.id) !== ride.trunk;
    if (!hasEnded) ride.trunk.ready.set(ride.requestId, answer);
    if (hasEnded || 'apart' in answer) this.#ports.after(APART_MS, () => this.#drop(ride));
    this.#leave(ride);
  }

  #leave(ride: Ride): void {
    const { trunk } = ride;
    if (trunk === undefined) return;
    ride.trunk = undefined;
    trunk.open--;
    this.#gather(trunk);
  }

  #gather(trunk: Trunk): void {
    if (trunk.isGathering) return;
    trunk.isGathering = true;
    void this.#soon(trunk);
  }

  async #soon(trunk: Trunk): Promise<void> {
    // The other answers of the message that brought the first.
    await afterMicrotasks();
    trunk.isGathering = false;
    if (trunk.ready.size > 0) this.#handOver(trunk);
    if (trunk.open === 0 && trunk.ready.size === 0) this.#end(trunk);
  }

  #handOver(trunk: Trunk): void {
    const taker = trunk.waiting.shift();
    if (taker === undefined) return;
    const answers = [...trunk.ready.values()].filter(({ requestId }) => this.#rides.has(requestId));
    trunk.ready.clear();
    for (const answer of answers) if (!('apart' in answer)) this.#rides.delete(answer.requestId);
    taker(answers);
  }

  #end(trunk: Trunk): void {
    this.#trunks.delete(trunk.id);
    for (const requestId of trunk.ready.keys()) this.#rides.delete(requestId);
    for (const taker of trunk.waiting) taker([]);
  }

  /** Nobody has fetched it: whoever sends it must not wait for a reader. */
  #drop(ride: Ride): void {
    if (this.#rides.get(ride.requestId) !== ride) return;
    this.#rides.delete(ride.requestId);
    void ride.answer.then((given) => {
      if (given.ok && given.value.body instanceof ReadableStream)
        given.value.body.cancel().catch(() => undefined); // It has nobody to tell.
    });
  }
}

function onTrunk(requestId: string, given: Answer<RelayReply>): TrunkAnswer {
  if (!given.ok) {
    const { ok: _, ...failed } = given;
    return { requestId, ...failed };
  }
  const { status, headers, body } = given.value;
  if (typeof body === 'string') return { requestId, status, headers, body: { kind: 'text', data: body } };
  const head = body instanceof ReadableStream ? undefined : headOfBody(body);
  if (head === undefined || head.kind === 'stream') return { requestId, apart: true };
  return { requestId, status, headers, body: head };
}

/** A bug, told as what it is to the caller: nobody knows how far the call got. */
function broken(error: unknown): Answer<never> {
  console.error('a call could not be handled', error);
  const message = 'the edge failed to handle the call';
  return {
    ok: false,
    error: new Failure('internal', message, { execution: 'may_have_executed' }).toWire(),
  };
}
