/** The other end of the bare loop: an object that writes the rows of each message and says their last position. */
import {
  type HibernatableSocket,
  type Namespace,
  type ObjectState,
  socketPair,
  switchingProtocols,
} from '../../workerd.ts';

interface StoringState extends ObjectState {
  readonly storage: { readonly sql: { exec(query: string, ...params: (string | number)[]): unknown } };
}

export class Channel {
  readonly #ctx: StoringState;

  constructor(ctx: StoringState) {
    this.#ctx = ctx;
    ctx.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS events (
         position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, log_id TEXT NOT NULL,
         seq INTEGER NOT NULL, site_id TEXT NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL,
         created_at TEXT NOT NULL, received_at INTEGER NOT NULL)`,
    );
  }

  fetch(): Response {
    const [far, near] = socketPair();
    this.#ctx.acceptWebSocket(near);
    return switchingProtocols(far);
  }

  /** `<last position> <rows as JSON>` */
  webSocketMessage(socket: HibernatableSocket, message: string): void {
    const space = message.indexOf(' ');
    this.#ctx.storage.sql.exec(
      `INSERT INTO events (id, log_id, seq, site_id, type, data, created_at, received_at)
         SELECT value ->> 0, 'bare', value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, ?
         FROM json_each(?)`,
      Date.now(),
      message.slice(space + 1),
    );
    socket.send(message.slice(0, space));
  }

  webSocketClose(socket: HibernatableSocket): void {
    socket.close(1000, '');
  }
}

/** The configuration names it; nothing calls it. */
export class Hub {}

export default {
  fetch: (request: Request, env: { readonly CHANNEL: Namespace }) =>
    request.headers.get('upgrade') === 'websocket'
      ? env.CHANNEL.getByName('bare').fetch(request)
      : new Response('ok'),
};
