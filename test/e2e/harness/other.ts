import { loadIdentity } from '../../../orchestrator/src/identity.ts';
import { OTHER } from '../../sandbox/seed/tenants.ts';
import { Impostor } from './raw-channel.ts';
import type { Answer, System } from './system.ts';

/** The second organisation's orchestrator, which never runs: a test may play it, with its real key. */
export const otherOrchestrator = ({ file, sandbox }: System): Impostor =>
  new Impostor(file.edgeUrl, OTHER.orchestratorId, loadIdentity(sandbox.layout.otherKey.file));

/** A customer's request to the second organisation's site: it ends at whoever plays the orchestrator. */
export async function askOther({ file }: System, path: string): Promise<Answer> {
  const response = await fetch(`${file.relayUrl}/s/${file.other.siteId}${path}`, {
    signal: AbortSignal.timeout(40_000),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: null };
}
