import type {
  CommandSummary,
  Event,
  LiveOrchestrator,
  LiveSnapshot,
  LiveUpdate,
  SiteMove,
} from '@clawdbot/protocol';
import type { LivePorts, SocketEvents } from './ports.ts';

/** A dialled `/live`, from the edge's side. */
export interface Dialled {
  readonly query: string;
  readonly sent: string[];
  readonly events: SocketEvents;
  closed: boolean;
}

/** A browser without a network: time stands still until it is told to pass. */
export class World {
  readonly dials: Dialled[] = [];
  now = 1_000_000;
  signedIn: () => Promise<boolean> = async () => true;
  #timers: { readonly at: number; readonly task: () => void }[] = [];

  readonly ports: LivePorts = {
    dial: (query, events) => {
      const dialled: Dialled = { query, events, sent: [], closed: false };
      this.dials.push(dialled);
      return {
        send: (text) => void dialled.sent.push(text),
        close: () => {
          dialled.closed = true;
        },
      };
    },
    signedIn: () => this.signedIn(),
    now: () => this.now,
    after: (ms, task) => {
      const timer = { at: this.now + ms, task };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      };
    },
    random: () => 0,
  };

  /** The newest dial. */
  get socket(): Dialled {
    const socket = this.dials.at(-1);
    if (socket === undefined) throw new Error('nothing was dialled');
    return socket;
  }

  /** What waits to be done. */
  get timers(): number {
    return this.#timers.length;
  }

  says(message: object | string): void {
    this.socket.events.message(typeof message === 'string' ? message : JSON.stringify(message));
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.now = next.at;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      next.task();
    }
    this.now = end;
  }

  #next(end: number) {
    const due = this.#timers.filter(({ at }) => at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }
}

const nothing = { orchestrators: [], commands: [], moves: [], events: [] };

export const snapshot = (position: number, changes: Partial<LiveSnapshot> = {}): LiveSnapshot => ({
  type: 'snapshot',
  stream: 'stream-1',
  position,
  ...nothing,
  ...changes,
});

export const update = (position: number, changes: Partial<LiveUpdate> = {}): LiveUpdate => ({
  type: 'update',
  position,
  missed: 0,
  ...nothing,
  ...changes,
});

export const orchestrator = (id: string, state: LiveOrchestrator['presence']['state']): LiveOrchestrator => ({
  id,
  presence: { state },
  at: 1,
});

/** The n-th command: made and changed at n. */
export const command = (n: number, state: CommandSummary['state']): CommandSummary => ({
  id: `cmd_vps_${String(n).padStart(16, '0')}`,
  type: 'update_config',
  subject: `generation ${n}`,
  siteId: 'shop',
  orchestratorId: 'vps',
  state,
  createdAt: n,
  updatedAt: n,
  createdBy: 'admin',
});

/** The n-th move, begun and changed at n. */
export const move = (n: number, changes: Partial<SiteMove> = {}): SiteMove => ({
  ...{ id: `move_vps_${String(n).padStart(16, '0')}`, siteId: 'shop', from: 'vps', to: 'vps-2' },
  ...{ state: 'preparing', receipts: 0, createdBy: 'admin', createdAt: n, updatedAt: n },
  ...changes,
});

/** The n-th event. */
export const event = (n: number): Event => ({
  id: `evt_${String(n).padStart(16, '0')}`,
  type: 'health_check',
  siteId: 'shop',
  data: {},
  createdAt: '2026-11-01T00:00:00.000Z',
  syncedToWorkers: true,
  orchestratorId: 'vps',
  receivedAt: n,
});
