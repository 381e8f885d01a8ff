import { type CloseName, type Hello, type Join, ProtocolError } from '@clawdbot/protocol';
import type { Attachment } from './attachment.ts';
import type { After } from './liveness.ts';
import type { Admitted, JoinedLane, LanePort } from './session-ports.ts';

export interface HandshakePorts {
  readonly lane: Pick<LanePort, 'admit' | 'join'>;
  readonly after: After;
  readonly close: (name: CloseName, reason: string) => void;
  readonly isOver: () => boolean;
  readonly onAdmitted: (admitted: Admitted) => void;
  readonly onJoined: (joined: JoinedLane) => void;
}

/** The greeting of one socket: one `hello` on lane 0, one `join` elsewhere, in time (PROTOCOL S1). */
export class Handshake {
  readonly #ports: HandshakePorts;
  /** The key that the socket's token was signed with; undefined once the greeting has come. */
  #kid: string | undefined;
  #cancelTimeout: (() => void) | undefined;

  constructor(state: Attachment, ports: HandshakePorts) {
    this.#ports = ports;
    this.#kid = state.state === 'greeting' ? state.kid : undefined;
  }

  /** A socket that says nothing is not kept. */
  expect(ms: number): void {
    const { after, close } = this.#ports;
    this.#cancelTimeout = after(ms, () => close('helloTimeout', 'no hello in time'));
  }

  /** Throws `ProtocolError`. */
  onHello(hello: Hello): void {
    const { lane, close, onAdmitted } = this.#ports;
    const answer = lane.admit(this.#greeted(), hello);
    if ('close' in answer) close(answer.close, answer.reason);
    else onAdmitted(answer);
  }

  /** Throws `ProtocolError`. */
  onJoin(join: Join): void {
    const { lane, close, isOver, onJoined } = this.#ports;
    lane.join(this.#greeted(), join).then((answer) => {
      if (isOver()) return;
      if ('close' in answer) close(answer.close, answer.reason);
      else onJoined(answer);
    });
  }

  stop(): void {
    this.#cancelTimeout?.();
  }

  /** @returns the key that the socket's token was signed with */
  #greeted(): string {
    const kid = this.#kid;
    if (kid === undefined) throw new ProtocolError('malformed', 'a second greeting');
    this.#kid = undefined;
    this.stop();
    return kid;
  }
}
