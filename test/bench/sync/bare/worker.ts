/** The other end of the bare loop: an object that writes the rows of each message and says their last position. */
import { DurableObject } from 'cloudflare:workers';

interface Env {
  readonly CHANNEL: DurableObjectNamespace;
}

export class Channel extends DurableObject<Env> {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS events (
         position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, log_id TEXT NOT NULL,
         seq INTEGER NOT NULL, site_id TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
         created_at TEXT NOT NULL, received_at INTEGER NOT NULL)`,
    );
  }

  override async fetch(): Promise<Response> {
    const { 0: far, 1: near } = new WebSocketPair();
    this.ctx.acceptWebSocket(near);
    return new Response(null, { status: 101, webSocket: far });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (typeof message !== 'string') return;
    const space = message.indexOf(' ');
    this.ctx.storage.sql.exec(
      `INSERT INTO events (id, log_id, seq, site_id, type, data, created_at, received_at)
         SELECT value ->> 0, 'bare', value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, ?
         FROM json_each(?)`,
      Date.now(),
      message.slice(space + 1),
    );
    socket.send(message.slice(0, space));
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    socket.close(1000);
  }
}

/** The configuration asks for it; nothing calls it. */
export class Hub extends DurableObject {}

export default {
  fetch: (request: Request, env: Env) =>
    request.headers.get('upgrade') === 'websocket'
      ? env.CHANNEL.getByName('bare').fetch(request)
      : new Response('ok'),
};
