import type { CommandSummary, Event, LiveMessage, LiveUpdate, SiteMove } from '@clawdbot/protocol';
import { liveMessage } from '@clawdbot/protocol';
import { EVENTS_PER_UPDATE_MAX, type HubUpdate } from './rpc.ts';

const id = (prefix: string, n: number): string => `${prefix}${String(n).padStart(16, '0')}`;

/** The nth event of an orchestrator, with `bytes` of data. */
export const eventOf = (orchestratorId: string, n: number, bytes = 0): Event => ({
  id: id('evt_', n),
  type: 'health_check',
  orchestratorId,
  siteId: 'shop',
  data: { pad: 'x'.repeat(bytes) },
  createdAt: '2026-01-01T00:00:00Z',
  syncedToWorkers: true,
  receivedAt: n,
});

/** The end of an object's events at its nth, as its Channel tells it. */
export function eventsTo(orchestratorId: string, last: number, bytes = 0): HubUpdate['events'] {
  const length = Math.min(last, EVENTS_PER_UPDATE_MAX);
  return {
    last,
    items: Array.from({ length }, (_, n) => eventOf(orchestratorId, last - length + 1 + n, bytes)),
  };
}

export const commandOf = (
  orchestratorId: string,
  n: number,
  state: CommandSummary['state'],
  updatedAt: number,
): CommandSummary => ({
  id: id(`cmd_${orchestratorId}_`, n),
  type: 'update_config',
  subject: `generation ${n}`,
  siteId: 'shop',
  orchestratorId,
  state,
  createdAt: n,
  createdBy: 'owner',
  updatedAt,
});

export const moveOf = (from: string, n: number, more: Partial<SiteMove> = {}): SiteMove => ({
  ...{ id: id(`move_${from}_`, n), siteId: `shop-${n}`, from, to: 'z', state: 'preparing' },
  ...{ receipts: 0, createdBy: 'owner', createdAt: n, updatedAt: n },
  ...more,
});

/** A dashboard's end of its socket: what comes over it, checked against the protocol. Answers probes if asked to. */
export class Dashboard {
  readonly #messages: unknown[] = [];
  readonly #socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  #wake: () => void = () => undefined;

  constructor({ webSocket }: Response, { answers = true } = {}) {
    if (webSocket === null) throw new Error('refused');
    this.#socket = webSocket;
    const { promise, resolve } = Promise.withResolvers<{ code: number; reason: string }>();
    this.closed = promise;
    webSocket.addEventListener('message', ({ data }) => {
      const message: { type: string } = JSON.parse(String(data));
      const asked = message.type === 'probe' && webSocket.readyState === WebSocket.OPEN;
      if (asked && answers) this.say(String(data));
      this.#messages.push(message);
      this.#wake();
    });
    webSocket.addEventListener('close', ({ code, reason }) => resolve({ code, reason }));
    webSocket.accept();
  }

  say(text: string): void {
    this.#socket.send(text);
  }

  close(code = 1000, reason = ''): void {
    this.#socket.close(code, reason);
  }

  /** The next message but probes; the test's own timeout is its deadline. */
  async next(): Promise<Exclude<LiveMessage, { type: 'probe' }>> {
    for (;;) {
      const message = this.#messages.shift();
      const read = message === undefined ? undefined : liveMessage.parse(message);
      if (read !== undefined && read.type !== 'probe') return read;
      if (read !== undefined) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  /** The next update that has what is looked for. */
  async update(wanted: (update: LiveUpdate) => boolean): Promise<LiveUpdate> {
    for (;;) {
      const message = await this.next();
      if (message.type === 'update' && wanted(message)) return message;
    }
  }
}
