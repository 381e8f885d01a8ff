import { type Deployment, type Share, type Traffic, versionOf } from './state.ts';

/** Percentages are decimals: 100 - 33.3 is not 66.7 in binary. */
const rest = (percentage: number): number => Number((100 - percentage).toFixed(3));

/** The traffic when the deployment's version has so much of it: what served before keeps the rest. */
export function trafficAt(deployment: Deployment, percentage: number): Traffic {
  const own: Share = { versionId: versionOf(deployment), percentage };
  const [before] = deployment.facts.before ?? [];
  if (percentage === 100 || before === undefined) return [own];
  return [own, { ...before, percentage: rest(percentage) }];
}

const has = (traffic: Traffic, { versionId, percentage }: Share): boolean =>
  traffic.some((share) => share.versionId === versionId && share.percentage === percentage);

/** Whether this deployment has divided the traffic so, also if it was cut off before it could write that down. */
export const isOwn = (traffic: Traffic, deployment: Deployment, stages: readonly number[]): boolean =>
  [0, ...stages].some((percentage) => isSame(traffic, trafficAt(deployment, percentage)));

/** Whether both divide the traffic alike; a version at 0 % counts, since it can be asked for by name. */
export const isSame = (one: Traffic, other: Traffic): boolean =>
  one.length === other.length && one.every((share) => has(other, share));
