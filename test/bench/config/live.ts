import { once } from 'node:events';
import { type CommandSummary, liveMessage } from '@clawdbot/protocol';
import WebSocket from 'ws';
import type { Cleanup } from '../cleanup.ts';

/** A dashboard's socket, which knows when each command was first seen to have succeeded. */
export class Live {
  readonly #seen = new Map<string, number>();
  readonly #waiting = new Map<string, () => void>();

  private constructor(socket: WebSocket) {
    socket.on('message', (data) => this.#take(String(data), socket));
  }

  static async open(edgeUrl: string, token: string, cleanup: Cleanup): Promise<Live> {
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${edgeUrl.replace('http', 'ws')}/live`, { headers });
    cleanup.add(() => socket.terminate());
    const live = new Live(socket);
    await once(socket, 'message');
    return live;
  }

  /** When the command was shown as succeeded, by `performance.now()`. Throws when that takes too long. */
  async succeeded(commandId: string, withinMs: number): Promise<number> {
    if (!this.#seen.has(commandId)) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const late = setTimeout(() => reject(new Error(`/live does not show ${commandId}`)), withinMs);
      this.#waiting.set(commandId, resolve);
      await promise.finally(() => clearTimeout(late));
    }
    return this.#seen.get(commandId) ?? Number.NaN;
  }

  #take(text: string, socket: WebSocket): void {
    const message = liveMessage.parse(JSON.parse(text));
    if (message.type === 'probe') socket.send(text);
    else for (const command of message.commands) this.#note(command);
  }

  #note({ id, state }: CommandSummary): void {
    if (state !== 'succeeded' || this.#seen.has(id)) return;
    this.#seen.set(id, performance.now());
    this.#waiting.get(id)?.();
  }
}
