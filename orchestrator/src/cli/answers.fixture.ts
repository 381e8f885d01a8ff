/** What the edge answers of the orchestrator `vps-1`. */
import type { Command } from '@clawdbot/protocol';
import type { Answer } from './clawctl.fixture.ts';

export const ID = 'cmd_vps-1_0000000000000000000001';

/** A deployment that has succeeded, unless it is said otherwise. */
export const command = (more: Partial<Command> = {}): Command => ({
  id: ID,
  type: 'deploy_worker',
  subject: 'hello',
  siteId: 'site-1',
  orchestratorId: 'vps-1',
  state: 'succeeded',
  createdAt: 1,
  createdBy: 'ada',
  history: [{ state: 'queued', at: 1_000 }],
  milestones: [],
  ...more,
});

/** A command was taken. */
export const takenWith =
  (more: { generation?: number }): Answer =>
  () => ({
    success: true,
    data: { commandId: ID, state: 'queued', ...more },
    timestamp: '2026-01-01T00:00:00Z',
  });
export const taken = takenWith({});

export const siteOf = (id: string) => ({
  id,
  orgId: 'org-1',
  orchestratorId: 'vps-1',
  name: id,
  labels: {},
  hostnames: [],
  paused: false,
  createdAt: 1,
});

export const orchestratorOf = (presence: object) => ({
  id: 'vps-1',
  orgId: 'org-1',
  presence,
  fence: 1,
  generation: 1,
  lanes: 1,
  queues: { control: 0, queue: 0, inbox: 0, deadLetters: 0, deadReceipts: 0, unprojected: 0 },
  wakes: 1,
  unknownFrames: 0,
});

/** What `npm start` has written down. */
export const SANDBOX = {
  edgeUrl: 'http://127.0.0.1:8787',
  relayUrl: 'http://localhost:8787',
  orchestratorUrl: 'http://127.0.0.1:3000',
  orchestratorId: 'vps-1',
  siteId: 'demo',
  adminToken: 'sandbox-token',
  cloudflareApiUrl: 'http://127.0.0.1:1',
  cloudflareAccountId: 'a',
  cloudflareApiToken: 't',
};
