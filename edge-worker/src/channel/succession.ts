import type { Hello, RandomBytes, Sql } from '@clawdbot/protocol';
import { hexOf } from '../bytes.ts';
import { type Admission, admit } from './admission.ts';
import { type Greeting, welcomeOf } from './greeting.ts';
import { LOGS_IN_ORDER, type Logs } from './logs.ts';
import type { Incumbency } from './rpc.ts';
import type { Admitted, Refusal } from './session-ports.ts';
import type { Meta } from './store.ts';

export interface SuccessionParts {
  readonly orchestratorId: string;
  readonly lane: number;
  readonly sql: Sql;
  readonly meta: Meta;
  readonly logs: Logs;
  readonly greeting: Pick<Greeting, 'agree'>;
  readonly now: () => number;
  readonly random: RandomBytes;
}

/** A process that has the orchestrator from here on. */
export interface Succeeded {
  readonly admitted: Admitted;
  /** Of a process before it there may be sessions on the lanes 1 to this - 1; 0 when it has only dialled again. */
  readonly lanesBefore: number;
}

/**
 * Which process has the orchestrator, and which of its sessions is the newest: kept, so that none that another has
 * followed comes back (PROTOCOL S4–S7). Each admission raises the fence, and only who came under the highest may write.
 */
export class Succession {
  readonly #parts: SuccessionParts;

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
  }

  isCurrent(fence: number): boolean {
    return fence === this.#parts.meta.number('fence');
  }

  /** Who has the orchestrator, for the objects of its other lanes. */
  incumbency(): Incumbency {
    const { meta } = this.#parts;
    const instanceId = meta.text('instance');
    return {
      generation: meta.number('generation'),
      ...(instanceId === undefined ? {} : { instanceId }),
      fence: meta.number('fence'),
    };
  }

  /**
   * Gives the orchestrator to the process that says hello, or says why not.
   * @param kid the key that its token was signed with
   */
  admit(kid: string, hello: Hello): Succeeded | Refusal {
    const { sql, meta, greeting } = this.#parts;
    const admission = this.#admission(hello);
    if (!admission.admit) return admission;
    const before = { generation: meta.number('generation'), lanes: meta.number('lanes') };
    const { fence, agreed } = sql.transaction(() => ({
      agreed: greeting.agree(hello),
      fence: this.#note(hello),
    }));
    return {
      admitted: this.#opened(kid, hello, admission.protocol, fence, agreed),
      lanesBefore: hello.generation > before.generation ? Math.max(before.lanes, meta.number('lanes')) : 0,
    };
  }

  /** Forgets the newest process: its database was lost, and one with an empty database may connect. */
  release(): void {
    const { meta } = this.#parts;
    meta.set('generation', 0);
    meta.set('instance', null);
  }

  #admission(hello: Hello): Admission {
    const { meta, logs, orchestratorId, lane } = this.#parts;
    return admit(hello, {
      orchestratorId,
      lane,
      generation: meta.number('generation'),
      instanceId: meta.text('instance'),
      followed: (log) => logs[log].inbox.position(),
      isRetired: (log, logId) => logs[log].inbox.isRetired(logId),
    });
  }

  /** The newest process has the orchestrator from here on. @returns its session's fence */
  #note({ generation, instanceId, version, lanes }: Hello): number {
    const { meta } = this.#parts;
    meta.set('lanes', Math.min(lanes, Math.max(1, meta.number('lanes_granted'))));
    meta.set('generation', generation);
    meta.set('instance', instanceId);
    meta.set('version', version);
    return meta.add('fence', 1);
  }

  #opened(
    kid: string,
    { instanceId, logs }: Hello,
    protocol: number,
    fence: number,
    agreed: ReturnType<Greeting['agree']>,
  ): Admitted {
    const { meta, now, random } = this.#parts;
    const since = now();
    const sessionId = hexOf(random(16));
    const offered = LOGS_IN_ORDER.filter((log) => logs[log] !== undefined);
    return {
      attachment: { v: 1, state: 'open', kid, sessionId, fence, instanceId, since, logs: offered },
      welcome: welcomeOf({
        protocol,
        sessionId,
        fence,
        clockMs: since,
        sharers: Math.max(1, meta.number('api_sharers')),
        logs: agreed.logs,
      }),
      resync: agreed.resync,
    };
  }
}
