import {
  decodeChunk,
  decodeParcel,
  type EntryToOrchestrator,
  type FrameToEdge,
  type FrameToOrchestrator,
  type LogName,
  type Positions,
  type Webhook,
} from '@clawdbot/protocol';
import { channelOf, entry, helloOf, Peer } from '../channel.fixture.ts';

type Deployment = Extract<
  EntryToOrchestrator,
  { type: 'deploy_worker' | 'rollback_worker' | 'adopt_worker' }
>;

/** An orchestrator that applies what it is sent and delivers what it gets; it may be told to keep that to itself. */
export class Vps {
  readonly id: string;
  readonly #orgId: string;
  /** Receipts in the order in which they were delivered. */
  readonly delivered: string[] = [];
  /** Receipts in the order in which their entries came. */
  readonly got: Webhook[] = [];
  readonly removed: string[] = [];
  /** Deployments and their like, in the order in which they came; they end when that is told. */
  readonly ordered: Deployment[] = [];
  /** Delivers what comes, and says so. */
  isWorking = true;
  /** Applies nothing, and says nothing. */
  isMute = false;
  /** Why it refuses configs from this generation on. */
  refusal: string | undefined;
  refusedFrom = 1;
  /** Generations in the order in which they came. */
  readonly generations: number[] = [];
  #peer: Peer | undefined;
  #calls = 0;
  readonly #answers = new Map<number, (frame: FrameToOrchestrator) => void>();
  readonly #own = { control: 0, queue: 0 };
  readonly #applied = { control: 0, queue: 0 };
  readonly #edgeLogs: Partial<Record<LogName, string>> = {};

  constructor(id: string, orgId: string) {
    this.id = id;
    this.#orgId = orgId;
  }

  /** Connects, and works until the socket ends; then it dials again if it should `stay`. */
  async connect(): Promise<void> {
    const logs = {
      control: this.#positions('control'),
      queue: this.#positions('queue'),
    };
    const peer = await Peer.greet(this.id, { ...helloOf(this.id), logs }, this.#orgId);
    const { logs: theirs } = await peer.next('welcome');
    this.#edgeLogs.control = theirs.control.logId;
    if (theirs.queue !== undefined) this.#edgeLogs.queue = theirs.queue.logId;
    this.#peer = peer;
    void this.#work(peer);
  }

  /** The socket may have ended with its object. */
  async stay(): Promise<void> {
    const { presence } = await channelOf(this.id).describe();
    if (presence.state !== 'online') await this.connect();
  }

  /** Delivers what it holds, and says so. */
  deliver(...receiptIds: string[]): void {
    for (const receiptId of receiptIds) {
      this.delivered.push(receiptId);
      const report = { type: 'receipt', receiptId, at: 1, state: 'delivered', attempts: 1, status: 200 };
      this.#peer?.send(entry(++this.#own.queue, report, 'queue'));
    }
  }

  /** A command has come to its end, by default a good one. */
  end(commandId: string, ended: object = { state: 'succeeded', result: {} }): void {
    const result = { type: 'command_result', commandId, at: 1, ...ended };
    this.peer.send(entry(++this.#own.control, result, 'control'));
  }

  /** How a deployment of a site goes, by the event that comes before its end. */
  happened(siteId: string, data: object, at: number): void {
    const createdAt = new Date(at).toISOString();
    const event = { type: 'worker_deployment', siteId, data, createdAt, syncedToWorkers: false };
    const id = `evt_${crypto.randomUUID().replaceAll('-', '').slice(0, 22)}`;
    this.peer.send(entry(++this.#own.control, { type: 'sync_event', id, event }, 'control'));
  }

  /** Tells which Workers it has. */
  tell(workers: Extract<FrameToEdge, { type: 'status' }>['workers'], at = 1): void {
    this.peer.send({
      ...{ type: 'status', at, version: '1', uptimeS: 1, sites: [], workers },
      ...{ memory: { rssBytes: 1, heapUsedBytes: 1 }, queues: { inbox: 0, outbox: 0, deadLetters: 0 } },
      tunnel: { state: 'not_configured' },
    });
  }

  /** Pulls a parcel. @returns the body in it, or the code with which that was refused */
  async pull(receiptId: string, sha256: string): Promise<string> {
    const id = this.#nextCall();
    this.peer.send({ type: 'blob', id, sha256, part: 0, receiptId });
    const refused = this.#answer(id).then((frame) => (frame.type === 'error' ? frame.error.code : ''));
    const sent = this.peer.nextChunk().then(
      (chunk) => {
        const { body } = decodeParcel(decodeChunk(chunk).bytes);
        return new TextDecoder().decode(body ?? undefined);
      },
      () => 'nothing came',
    );
    return Promise.race([refused, sent]);
  }

  async secret(siteId: string, name: string): Promise<string> {
    const id = this.#nextCall();
    this.peer.send({ type: 'get_secret', id, siteId, name });
    const frame = await this.#answer(id);
    return frame.type === 'secret' ? frame.value : '';
  }

  #nextCall(): number {
    this.#calls += 2;
    return this.#calls + 1;
  }

  #answer(id: number): Promise<FrameToOrchestrator> {
    const { promise, resolve } = Promise.withResolvers<FrameToOrchestrator>();
    this.#answers.set(id, resolve);
    return promise;
  }

  get peer(): Peer {
    if (this.#peer === undefined) throw new Error('it has not connected yet');
    return this.#peer;
  }

  #positions(log: LogName): Positions {
    const peerLogId = this.#edgeLogs[log];
    return {
      ...{ logId: `${log}-of-${this.id}`, oldest: 1, last: this.#own[log], applied: this.#applied[log] },
      ...(peerLogId === undefined ? {} : { peerLogId }),
    };
  }

  async #work(peer: Peer): Promise<void> {
    for (;;) {
      const frame = await peer.frame().catch(() => undefined);
      if (peer !== this.#peer) return;
      if (frame !== undefined) this.#on(frame);
    }
  }

  #on(frame: FrameToOrchestrator): void {
    if (frame.type === 'probe') this.peer.send(frame);
    if ((frame.type === 'error' || frame.type === 'secret') && frame.id !== undefined)
      this.#answers.get(frame.id)?.(frame);
    if (frame.type !== 'entry' || frame.seq <= this.#applied[frame.log]) return;
    this.#applied[frame.log] = frame.seq;
    this.peer.send({ type: 'ack', log: frame.log, applied: frame.seq });
    this.#handle(JSON.parse(frame.body));
  }

  #handle(body: EntryToOrchestrator): void {
    if (body.type === 'remove_site') this.removed.push(body.siteId);
    if (body.type === 'webhook') {
      this.got.push(body);
      if (this.isWorking) this.deliver(body.receiptId);
    }
    if (body.type === 'deploy_worker' || body.type === 'rollback_worker' || body.type === 'adopt_worker')
      this.ordered.push(body);
    if (body.type !== 'update_config' || this.isMute) return;
    const { commandId, generation, digest } = body;
    this.generations.push(generation);
    const failed = { state: 'failed', error: { code: 'config_refused', message: this.refusal } };
    const ended =
      this.refusal === undefined || generation < this.refusedFrom
        ? { state: 'succeeded', result: { generation, digest } }
        : failed;
    this.end(commandId, ended);
  }
}
