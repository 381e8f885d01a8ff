import type { Event } from '@clawdbot/protocol';
import type { Picture } from '../live/picture.ts';

/** For each part of a site's page a text that changes when there may be something new for it. */
export interface SiteNews {
  readonly deployments: string;
  readonly config: string;
  readonly health: string;
  readonly waiting: string;
  readonly moves: string;
}

/** @param picture of the organisation; only what is of the site counts */
export function siteNews(
  { commands, events, moves, orchestrators }: Picture,
  siteId: string,
  orchestratorId: string,
): SiteNews {
  const lastOf = (type: Event['type']) =>
    events.find((event) => event.siteId === siteId && event.type === type)?.id;
  const newest = Math.max(
    0,
    ...commands.filter((one) => one.siteId === siteId).map(({ updatedAt }) => updatedAt),
  );
  const move = moves.find((one) => one.siteId === siteId);
  const where = `${move?.id ?? ''} ${move?.state ?? ''}`;
  const orchestrator = orchestrators.find(({ id }) => id === orchestratorId);
  const presence = orchestrator?.presence.state;
  const { queue, deadReceipts } = orchestrator?.queues ?? {};
  const deployed = `${newest} ${lastOf('worker_deployment')} ${where}`;
  return {
    deployments: deployed,
    config: `${deployed} ${lastOf('config_change')} ${presence}`,
    health: `${lastOf('health_check')} ${deployed} ${presence}`,
    waiting: `${newest} ${queue} ${deadReceipts} ${move?.waiting} ${where}`,
    moves: where,
  };
}
