import type { DeployPayload } from '@clawdbot/protocol';
import { clawctl } from './clawctl.fixture.ts';
import type { Io } from './io.ts';

const taken = () => ({
  success: true,
  data: { commandId: 'cmd_vps-1_0000000000000000000001', state: 'queued' },
  timestamp: '2026-01-01T00:00:00Z',
});

/** Gives the command line to an edge that takes everything. @returns what it was given */
export async function deployed(args: string[], more: Partial<Io> = {}) {
  const edge = { 'POST /api/v1/orchestrator': [taken] };
  const { seen, error, err } = await clawctl(['deploy', ...args, '--site', 'shop', '--detach'], edge, more);
  if (error !== undefined) throw error;
  const { payload } = (seen[0]?.body ?? {}) as { payload: DeployPayload };
  return { payload, err };
}
export const textOf = ({ modules, mainModule }: DeployPayload): string => String(modules[mainModule]);
