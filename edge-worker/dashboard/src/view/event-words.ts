import type { DeployResult, Event } from '@clawdbot/protocol';
import { z } from 'zod';
import { pause } from './move-words.ts';

/** What happened, in words. */
export interface Told {
  readonly words: string;
  /** Somebody may have to look at it. */
  readonly trouble: boolean;
  /** Where it can be looked at: an http or https address. */
  readonly url?: string;
}

const PROOFS: Record<DeployResult['proof'], string> = {
  observed: ' and answered with its version',
  reachable: ' and answers',
  accepted: ': accepted, not seen yet',
};

const error = z.string().optional();
const because = (reason: string | undefined): string => (reason === undefined ? '' : `: ${reason}`);

const deployed = z.object({
  status: z.literal('deployed'),
  name: z.string(),
  proof: z.enum(['observed', 'reachable', 'accepted']),
  // A link runs what its address says: one of another scheme is none.
  url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .catch(undefined),
});
const deployedWords = ({ name, proof, url }: z.infer<typeof deployed>): Told => ({
  words: `${name} is deployed${PROOFS[proof]}`,
  trouble: false,
  ...(url === undefined ? {} : { url }),
});

const deployment = z.discriminatedUnion('status', [
  deployed,
  z.object({ status: z.enum(['failed', 'cancelled']), name: z.string(), error }),
  z.object({ status: z.enum(['drifted', 'aligned']), name: z.string(), error }),
  z.object({ status: z.literal('adopted'), name: z.string() }),
  z.object({ status: z.literal('shifting'), name: z.string(), percentage: z.number() }),
]);

const config = z.object({ status: z.enum(['applied', 'refused']), generation: z.int(), error });

/** The site has another orchestrator now, or was to have: `name` says from where to where. */
const move = z.object({
  status: z.enum(['moved', 'undone']),
  name: z.string(),
  moveId: z.string(),
  error,
  pausedMs: z.number().optional(),
});
const moveWords = ({ status, name, error: reason, pausedMs }: z.infer<typeof move>): Told =>
  status === 'moved'
    ? {
        words: `Moved ${name}${pausedMs === undefined ? '' : `; stored requests waited ${pause(pausedMs)}`}`,
        trouble: false,
      }
    : { words: `The move ${name} was taken back${because(reason)}`, trouble: true };

/** What an event is about, in a word. */
export function kindOf({ type, data }: Pick<Event, 'type' | 'data'>): string {
  return type === 'config_change' && 'moveId' in data ? 'Move' : TYPES[type];
}
export const TYPES: Record<Event['type'], string> = {
  worker_deployment: 'Deployment',
  config_change: 'Config',
  health_check: 'Health',
};

const health = z.object({
  /** Of a site's Worker; else of what its routes need. */
  worker: z.string().optional(),
  status: z.enum(['healthy', 'unhealthy']),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })),
});

/** How each type of event is told; each parses what it tells, since an event's data is open. */
const TELLERS: Record<Event['type'], (data: Event['data']) => Told> = {
  worker_deployment: (data) => {
    const it = deployment.parse(data);
    switch (it.status) {
      case 'failed':
        return { words: `${it.name} was not deployed${because(it.error)}`, trouble: true };
      case 'cancelled':
        return { words: `${it.name} was not deployed${because(it.error)}`, trouble: false };
      case 'drifted':
        return { words: `${it.name} was changed outside${because(it.error)}`, trouble: true };
      case 'aligned':
        return { words: `${it.name} is again as it was deployed`, trouble: false };
      case 'adopted':
        return { words: `${it.name} was taken over as it is`, trouble: false };
      case 'shifting':
        return { words: `${it.name}: the new version has ${it.percentage} % of the traffic`, trouble: false };
      case 'deployed':
        return deployedWords(it);
    }
  },
  config_change: (data) => {
    const it = z.union([config, move]).parse(data);
    if ('moveId' in it) return moveWords(it);
    return it.status === 'applied'
      ? { words: `Config generation ${it.generation} runs`, trouble: false }
      : { words: `Config generation ${it.generation} was refused${because(it.error)}`, trouble: true };
  },
  health_check: (data) => {
    const { status, checks, worker } = health.parse(data);
    if (status === 'healthy')
      return { words: worker === undefined ? 'Healthy again' : `${worker} is healthy again`, trouble: false };
    const failed = checks.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}${because(detail)}`);
    return { words: `Unhealthy: ${failed.join('; ')}`, trouble: true };
  },
};

/** Data of a shape that this page does not know, as from a newer orchestrator, is shown as it came. */
export function tell({ type, data }: Event): Told {
  try {
    return TELLERS[type](data);
  } catch {
    return { words: JSON.stringify(data), trouble: false };
  }
}
