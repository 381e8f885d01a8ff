import type { CommandContext } from '../commands/handler.ts';
import type { Api } from './api.ts';
import type { Fetch } from './api-client.ts';
import type { Patience } from './patience.ts';
import type { Plan } from './plan.ts';
import type { Records } from './record.ts';
import type { Material } from './upload.ts';

/** What the engine works with. */
export interface EngineParts extends Pick<Patience, 'wait'> {
  readonly records: Records;
  readonly api: Api;
  readonly fetcher: Fetch;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** One run of a deployment, from its start or from where an earlier run was cut off. */
export interface Scope extends EngineParts {
  readonly plan: Plan;
  readonly context: CommandContext;
  /** An earlier run, or an earlier database, may have made the calls of any step: look before they are made. */
  readonly isRepeat: boolean;
  /** Got once in a run; gone with it. */
  readonly material: () => Promise<Material>;
}
