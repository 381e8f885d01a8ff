import type { DeployPayload } from '@clawdbot/protocol';
import { taken } from './answers.fixture.ts';
import { clawctl } from './clawctl.fixture.ts';
import type { Io } from './io.ts';

/** Gives the command line to an edge that takes everything. @returns what it was given */
export async function deployed(args: string[], more: Partial<Io> = {}) {
  const edge = { 'POST /api/v1/orchestrator': [taken] };
  const { seen, error, err } = await clawctl(['deploy', ...args, '--site', 'shop', '--detach'], edge, more);
  if (error !== undefined) throw error;
  const { payload } = (seen[0]?.body ?? {}) as { payload: DeployPayload };
  return { payload, err };
}
export const textOf = ({ modules, mainModule }: DeployPayload): string => String(modules[mainModule]);
