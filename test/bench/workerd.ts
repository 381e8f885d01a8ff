/** As much of workerd's own types as the compared Worker uses. */

export interface HibernatableSocket {
  send(message: string): void;
  close(code: number, reason: string): void;
}

export interface ObjectState {
  acceptWebSocket(socket: HibernatableSocket): void;
  getWebSockets(): HibernatableSocket[];
}

export interface Namespace {
  getByName(name: string): { fetch(request: Request): Promise<Response> };
}

/** Both ends of a new WebSocket: the first goes into the response, the second stays. */
export const socketPair = (): [HibernatableSocket, HibernatableSocket] => {
  const { WebSocketPair } = globalThis as unknown as {
    WebSocketPair: new () => Record<'0' | '1', HibernatableSocket>;
  }; // A global of workerd, which Node's types do not have.
  const { 0: theirs, 1: ours } = new WebSocketPair();
  return [theirs, ours];
};

/** The answer that completes an upgrade: `webSocket` is workerd's own addition to `ResponseInit`. */
export const switchingProtocols = (webSocket: HibernatableSocket): Response =>
  new Response(null, { status: 101, webSocket } as ResponseInit);

/** A stream of workerd's own, whose response says how long it is. */
export const streamOf = (bytes: number): TransformStream<Uint8Array, Uint8Array> => {
  const { FixedLengthStream } = globalThis as unknown as {
    FixedLengthStream: new (bytes: number) => TransformStream<Uint8Array, Uint8Array>;
  }; // As above.
  return new FixedLengthStream(bytes);
};
