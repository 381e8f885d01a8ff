import { join } from 'node:path';
import { PING, PONG } from '@clawdbot/protocol';
import { CLAIMS_HEADER } from '../../../edge-worker/src/channel/claims.ts';
import type { ChannelRpc } from '../../../edge-worker/src/channel/rpc.ts';
import type { Image } from '../database.ts';
import { Connection, type End } from '../network.ts';
import { Process, type World } from '../world.ts';
import { SimulatedD1 } from './d1.ts';
import { ObjectStorage } from './storage.ts';

const ROOT = join(import.meta.dirname, '../../..');

/** The object, as the runtime calls it. */
interface Channel extends ChannelRpc {
  fetch(request: Request): Promise<{ readonly webSocket?: FarSocket }>;
  webSocketMessage(socket: ObjectSocket, message: string | ArrayBuffer): Promise<void>;
  webSocketClose(socket: ObjectSocket, code: number, reason: string): Promise<void>;
  alarm(): Promise<void>;
}
type ChannelClass = new (context: unknown, env: unknown) => Channel;

// By its address: its types are those of workerd, and this is Node.
const { Channel } = (await import(join(ROOT, 'edge-worker/src/channel/channel.ts'))) as {
  Channel: ChannelClass;
};

/** A socket as the object sees it, on the runtime's side of a connection. */
class ObjectSocket implements End {
  readyState = 1;
  #attachment: unknown;
  readonly #machine: EdgeMachine;
  #connection: Connection | undefined;
  pingedAt: Date | null = null;

  constructor(machine: EdgeMachine) {
    this.#machine = machine;
  }

  join(connection: Connection): void {
    this.#connection = connection;
    connection.attach('b', this);
  }

  serializeAttachment(value: unknown): void {
    this.#attachment = structuredClone(value);
  }

  deserializeAttachment(): unknown {
    return structuredClone(this.#attachment);
  }

  send(message: string | Uint8Array): void {
    if (this.readyState === 2) throw new TypeError('the socket is closed');
    const copy = typeof message === 'string' ? message : Uint8Array.from(message);
    this.#machine.output(() => this.#connection?.send('b', copy));
  }

  close(code = 1000, reason = ''): void {
    if (this.readyState !== 1) return;
    this.readyState = 2;
    this.#machine.output(() => this.#connection?.close('b', code, reason));
  }

  onGone(): void {
    this.readyState = 3;
    this.#machine.forget(this);
  }

  onMessage(message: string | Uint8Array): void {
    if (message === PING) {
      // The runtime answers by itself, and the object sleeps on.
      this.pingedAt = new Date(this.#machine.world.now);
      this.#connection?.send('b', PONG);
      return;
    }
    const data = typeof message === 'string' ? message : Uint8Array.from(message).buffer;
    this.#machine.event((object) => object.webSocketMessage(this, data));
  }

  onClose(code: number, reason: string): void {
    if (this.readyState === 3) return;
    this.#machine.event((object) => object.webSocketClose(this, code, reason));
    this.readyState = 3;
    this.#machine.forget(this);
  }

  cut(): void {
    this.readyState = 3;
    this.#connection?.cut();
  }
}

export interface Claims {
  readonly orchestratorId: string;
  readonly orgId: string;
  readonly lane: number;
  readonly lanes: number;
  readonly sharers: number;
  readonly jti: string;
  readonly exp: number;
  readonly kid: string;
}

/** The runtime around lane 0's object: storage, sockets, alarm, D1; it may lose power, or put the object to sleep. */
export class EdgeMachine {
  readonly world: World;
  process = new Process('edge');
  readonly storage: ObjectStorage;
  readonly d1: SimulatedD1;
  readonly published: unknown[] = [];
  #object: Channel | undefined;
  #sockets = new Set<ObjectSocket>();
  #outputs: (() => void)[] | undefined;
  readonly #name: string;
  #boots = 0;

  constructor(world: World, name: string) {
    this.world = world;
    this.#name = name;
    this.storage = new ObjectStorage(this.process);
    this.d1 = new SimulatedD1(world, (send) => this.output(send));
  }

  /** What goes out waits until what was written before it is committed. */
  output(send: () => void): void {
    if (this.#outputs === undefined) send();
    else this.#outputs.push(send);
  }

  /** One turn of the object: its writes and what it sends, together or not at all. */
  async turn(run: () => Promise<void>): Promise<void> {
    const { process } = this;
    this.#outputs = [];
    await run();
    const outputs = this.#outputs;
    this.#outputs = undefined;
    if (!process.alive) {
      this.storage.rollback();
      this.#restart();
      return;
    }
    this.storage.commit();
    for (const output of outputs) output();
    this.#watchAlarm();
  }

  /** Something happened that the object is told of. */
  event(tell: (object: Channel) => unknown): void {
    this.world.after(0, () => tell(this.#awake()), this.process);
  }

  /** Asks the object; the answer may be lost, whether or not the question was carried out. */
  ask<T>(question: (object: Channel) => Promise<T>): Promise<{ answer: T } | 'lost'> {
    const { promise, resolve } = Promise.withResolvers<{ answer: T } | 'lost'>();
    const { process } = this;
    this.#waiting.add(resolve as (lost: 'lost') => void);
    this.world.after(
      1,
      async () => {
        const answer = await question(this.#awake());
        // In a step of its own: who asked is not the object.
        this.output(() => this.world.after(0, () => resolve({ answer }), undefined));
      },
      process,
    );
    return promise;
  }
  readonly #waiting = new Set<(lost: 'lost') => void>();

  /** An orchestrator dials. @returns the connection, or what the object refused it with */
  async upgrade(claims: Claims): Promise<Connection | 'refused' | 'lost'> {
    const headers = { [CLAIMS_HEADER]: JSON.stringify(claims), upgrade: 'websocket' };
    const request = new Request('http://edge/channel?lane=0', { headers });
    const outcome = await this.ask((object) => object.fetch(request));
    if (outcome === 'lost') return 'lost';
    const { webSocket } = outcome.answer;
    if (webSocket === undefined) return 'refused';
    const connection = new Connection(this.world);
    webSocket.near.join(connection);
    return connection;
  }

  cutPower(): void {
    this.process.alive = false;
    if (this.#outputs === undefined) this.#restart();
  }

  /** Puts the object back to where it was, as the platform's point-in-time recovery does. */
  restore(image: Image): void {
    this.storage.restore(image);
    this.process.alive = false;
    this.#restart();
  }

  /** The object is put out of memory; its sockets stay. @returns whether it could be */
  hibernate(): boolean {
    if (this.#object === undefined || this.world.waits(this.process)) return false;
    this.#object = undefined;
    return true;
  }

  forget(socket: ObjectSocket): void {
    this.#sockets.delete(socket);
  }

  #restart(): void {
    this.#boots++;
    this.process = new Process(`edge ${this.#boots}`);
    this.storage.adopt(this.process);
    this.#object = undefined;
    const sockets = this.#sockets;
    this.#sockets = new Set();
    for (const socket of sockets) socket.cut();
    for (const lose of this.#waiting) lose('lost');
    this.#waiting.clear();
    this.#watchAlarm();
  }

  #watched: number | undefined;

  #watchAlarm(): void {
    const at = this.storage.alarmAt;
    if (at === undefined || this.#watched === at) return;
    this.#watched = at;
    // The alarm is the platform's: it outlives the process that set it.
    this.world.after(
      at - this.world.now,
      () => {
        this.#watched = undefined;
        if (this.storage.alarmAt === undefined || this.storage.alarmAt > this.world.now) {
          this.#watchAlarm();
          return;
        }
        this.storage.alarmAt = undefined;
        this.event((object) => object.alarm());
      },
      undefined,
    );
  }

  #awake(): Channel {
    this.#object ??= new Channel(this.#context(), this.#env());
    return this.#object;
  }

  /** What the object uses of its state. */
  #context() {
    return {
      id: { name: this.#name },
      storage: this.storage.port,
      acceptWebSocket: (socket: ObjectSocket) => this.#sockets.add(socket),
      // Also those that the object has closed, until their other end knows it: so it is documented.
      getWebSockets: () => [...this.#sockets],
      setWebSocketAutoResponse: () => {},
      getWebSocketAutoResponseTimestamp: (socket: ObjectSocket) => socket.pingedAt,
      waitUntil: (promise: Promise<unknown>) => {
        promise.catch((error: unknown) => this.process.alive && this.world.failures.push(error));
      },
    };
  }

  #env() {
    const hub = {
      publish: async (update: unknown) => void this.published.push(update),
      watching: async () => false,
    };
    return { DB: this.d1.port, HUB: { getByName: () => hub } };
  }

  /** What the object makes for an upgrade. */
  newPair(): { 0: FarSocket; 1: ObjectSocket } {
    const near = new ObjectSocket(this);
    return { 0: { near }, 1: near };
  }
}

interface FarSocket {
  readonly near: ObjectSocket;
}

/** The machine whose object is being spoken to makes the pairs. */
let machine: EdgeMachine | undefined;

/** Puts what workerd gives by name in the place of what Node does not have. */
export function serve(next: EdgeMachine): void {
  machine = next;
  if ('WebSocketPair' in globalThis) return;
  Object.assign(globalThis, {
    // Node's own refuses the status of an upgrade.
    Response: new Proxy(Response, {
      construct: (target, [body, init]) =>
        init?.status === 101 ? { status: 101, webSocket: init.webSocket } : new target(body, init),
    }),
    WebSocketPair: function WebSocketPair() {
      return machine?.newPair();
    },
    WebSocketRequestResponsePair: class {},
  });
}
