import type { Cloudflare } from '../cloudflare.ts';
import type { EdgeMachine } from '../edge/machine.ts';
import type { Maker } from '../load/maker.ts';
import type { Operators } from '../load/operators.ts';
import type { Losses } from '../losses.ts';
import type { OrchestratorMachine } from '../orchestrator.ts';
import type { World } from '../world.ts';

export type Row = Record<string, unknown>;

/** What there is to compare when all is quiet. */
export interface Evidence {
  readonly world: World;
  readonly edge: EdgeMachine;
  readonly orchestrator: OrchestratorMachine;
  readonly cloudflare: Cloudflare;
  readonly operators: Operators;
  readonly maker: Maker;
  readonly losses: Losses;
}
