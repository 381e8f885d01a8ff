import { expect, test } from 'vitest';
import { loadIdentity } from '../../orchestrator/src/identity.ts';
import { eventually } from '../eventually.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();

/** PROTOCOL D6. */
const CUT_MS = 5_000;

interface Health {
  readonly channel: { readonly state: string; readonly reason?: string };
}

test('D6, S12: a revoked key loses its socket within 5 s; its orchestrator stays up, does not dial, and says why', async () => {
  const { file, sandbox } = system();
  await system().works();
  const { kid } = loadIdentity(sandbox.layout.key.file);
  const began = performance.now();
  const path = `/api/v1/orchestrators/${file.orchestratorId}/keys/${kid}/revoke`;
  expect(await system().api(path, { body: {} })).toMatchObject({ status: 200 });
  const health = async () => (await (await fetch(`${file.orchestratorUrl}/health`)).json()) as Health;
  const { channel } = await eventually(
    'it was refused',
    health,
    ({ channel: { state } }) => state === 'refused',
  );
  expect(performance.now() - began).toBeLessThan(CUT_MS);
  expect(channel.reason).toMatch(/the key was revoked/);
  expect((await fetch(`${file.orchestratorUrl}/ready`)).status).toBe(503);
  expect((await system().orchestrator()).presence).toMatchObject({ state: 'away' });
  expect((await system().relay('/echo')).status).toBe(503);
  expect(await health(), 'it has not dialled since').toMatchObject({ channel: { state: 'refused' } });
});
