import type { OrchestratorKey } from '@clawdbot/protocol';
import { type Desk, show, when } from './desk.ts';
import { CliError, list } from './io.ts';

export async function listKeys(desk: Desk, orchestratorId: string): Promise<void> {
  const { items } = await desk.edge.keys(orchestratorId);
  show(desk, items, () => list(['KEY', 'STATE', 'ENROLLED', 'REVOKED', 'BY', 'SOCKETS CUT'], items.map(row)));
}

const row = ({ kid, state, createdAt, revokedAt, revokedBy = '', cutAt }: OrchestratorKey): string[] => {
  const at = (ms: number | undefined) => (ms === undefined ? '' : when(ms));
  return [kid, state, when(createdAt), at(revokedAt), revokedBy, at(cutAt)];
};

/** Ends a key, and what is connected with it. Throws `CliError` unless it was confirmed. */
export async function revokeKey(
  desk: Desk,
  orchestratorId: string,
  kid: string,
  confirmed: boolean,
): Promise<void> {
  if (!confirmed) {
    throw new CliError(
      `this cuts ${orchestratorId} off if it uses that key, until it has another and is restarted: say --yes if you mean it`,
    );
  }
  const { items } = await desk.edge.revokeKey(orchestratorId, kid);
  show(desk, items, () =>
    items.some((key) => key.kid === kid && key.cutAt !== undefined)
      ? `${kid} is revoked, and its sockets are cut`
      : `${kid} is revoked; not all lanes could be told yet, and are told again each minute: "clawctl orchestrators keys ${orchestratorId}" shows when they were`,
  );
}
