import { sendableCode } from '@clawdbot/protocol';
import { randomBytes } from '../bytes.ts';
import { type Attachment, readAttachment, writeAttachment } from './attachment.ts';
import { type Connected, Session } from './session.ts';
import type { LanePort } from './session-ports.ts';
import { after } from './timer.ts';

/** The lane, which also hears of a socket's end. */
interface Lane extends LanePort {
  ended(session: Session, reason: string): void;
}

/** The runtime's sockets and their sessions: the one place where both are seen together. */
export class Sockets {
  readonly #ctx: DurableObjectState;
  readonly #sessions = new Map<WebSocket, Session>();

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
  }

  /** After a hibernation: sockets are still open, and their sessions are built from what they kept. */
  rehydrate(lane: Lane): void {
    for (const socket of this.#ctx.getWebSockets()) {
      // Those that were closed here are listed until their other end knows it: developers.cloudflare.com,
      // "DurableObjectState", getWebSockets. Their sessions are over, and sending on them throws.
      if (socket.readyState !== WebSocket.OPEN) continue;
      const state = readAttachment(socket);
      if (state === undefined) socket.close(1012, 'accepted by another version of the edge');
      else this.#add(socket, state, lane);
    }
  }

  accept(socket: WebSocket, state: Attachment, lane: Lane): Session {
    this.#ctx.acceptWebSocket(socket);
    writeAttachment(socket, state);
    return this.#add(socket, state, lane);
  }

  get(socket: WebSocket): Session | undefined {
    return this.#sessions.get(socket);
  }

  /** The socket ended. @returns its session, the first time */
  remove(socket: WebSocket): Session | undefined {
    const session = this.#sessions.get(socket);
    this.#sessions.delete(socket);
    return session;
  }

  list(): Connected[] {
    return [...this.#sessions].map(([socket, session]) => ({
      session,
      heartbeatAt: () => this.#ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime(),
    }));
  }

  #add(socket: WebSocket, state: Attachment, lane: Lane): Session {
    const session = new Session(state, {
      wire: {
        // Frames of a turn in which the socket was closed leave at its end: workerd throws on those.
        sendText: (text) => this.#sessions.has(socket) && socket.send(text),
        sendBytes: (bytes) => this.#sessions.has(socket) && socket.send(bytes),
        close: (code, reason) => {
          this.#sessions.delete(socket);
          socket.close(sendableCode(code), reason);
          lane.ended(session, reason);
        },
      },
      save: (attachment) => writeAttachment(socket, attachment),
      now: Date.now,
      random: randomBytes,
      after,
      defer: (task) => void setTimeout(task, 0),
      lane,
    });
    this.#sessions.set(socket, session);
    return session;
  }
}
