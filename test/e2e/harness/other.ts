import { loadIdentity } from '../../../orchestrator/src/identity.ts';
import { OTHER } from '../../sandbox/seed/tenants.ts';
import { Impostor } from './raw-channel.ts';
import type { System } from './system.ts';

/** The second organisation's orchestrator, which never runs: a test may play it, with its real key. */
export const otherOrchestrator = ({ file, sandbox }: System): Impostor =>
  new Impostor(file.edgeUrl, OTHER.orchestratorId, loadIdentity(sandbox.layout.otherKey.file));
