/** One WebSocket, once it was dialled. */
export interface LiveSocket {
  /** Text that is sent before the socket is open, or after its end, goes nowhere. */
  send(text: string): void;
  /** Nothing is heard of it afterwards. */
  close(): void;
}

export interface SocketEvents {
  message(text: string): void;
  /** `code` as RFC 6455 has it; 1006 for a socket that never opened, too. */
  closed(code: number, reason: string): void;
}

/** What the live picture needs from the browser; a test gives its own. */
export interface LivePorts {
  /** Dials `/live` with this query. */
  dial(query: string, events: SocketEvents): LiveSocket;
  /** Whether the edge still knows who this is; a browser does not say why an upgrade was refused. */
  signedIn(): Promise<boolean>;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs a task once, later. @returns what cancels it */
  after(ms: number, task: () => void): () => void;
  /** From 0 to 1. */
  random(): number;
}
