import { type Caller, CONTROL_LANE, type Hello, type Join, PROTOCOL_VERSIONS } from '@clawdbot/protocol';
import type { Clock } from './clock.ts';
import type { Ground } from './ground.ts';
import { awaitsResync } from './store/index.ts';

export interface GreetingOptions {
  readonly ground: Ground;
  readonly orchestratorId: string;
  readonly lanes: number;
  /** Of the software. */
  readonly version: string;
  /** Random, one per process. */
  readonly instanceId: string;
  readonly clock: Clock;
  /** Where both logs stand. */
  readonly positions: () => Hello['logs'];
}

/** Who this process is, as it says first on each socket: all of it on lane 0's, its name on the others. */
export class Greeting {
  readonly #options: GreetingOptions;

  constructor(options: GreetingOptions) {
    this.#options = options;
  }

  hello(): Hello {
    const { ground, lanes, clock, positions } = this.#options;
    return {
      type: 'hello',
      ...this.#caller(),
      lane: CONTROL_LANE,
      lanes,
      capabilities: [],
      clockMs: clock.now(),
      ...(awaitsResync(ground.sql) ? { awaitsResync: true } : {}),
      logs: positions(),
      sites: ground.settings.running(),
    };
  }

  join(lane: number): Join {
    return { type: 'join', lane, ...this.#caller() };
  }

  #caller(): Caller {
    const { ground, orchestratorId, instanceId, version } = this.#options;
    const { generation } = ground.store;
    return { protocol: [...PROTOCOL_VERSIONS], orchestratorId, generation, instanceId, version };
  }
}
