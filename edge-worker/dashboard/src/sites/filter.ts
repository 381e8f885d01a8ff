import type { Site } from '@clawdbot/protocol';
import type { Tone } from '../view/badge.tsx';
import { type Standing, TONES } from '../view/worker-words.ts';
import type { SiteFacts } from './standing.ts';

/** Which sites are shown; '' leaves them all. */
export interface SiteFilter {
  /** Stands in the id, the name, a host name or a label. */
  readonly q: string;
  /** `name:value`, as the API has it. */
  readonly label: string;
  readonly state: string;
}

export const STATES = ['to look at', 'paused', 'moving', 'works'] as const;

/** From the address, so that what was looked for can be linked to. */
export function filterOf(search: string): SiteFilter {
  const params = new URLSearchParams(search);
  const [q, label, state] = ['q', 'label', 'state'].map((name) => params.get(name) ?? '');
  return { q: q ?? '', label: label ?? '', state: STATES.find((known) => known === state) ?? '' };
}

/** @returns '' when nothing is filtered */
export function searchOf(filter: SiteFilter): string {
  const set = Object.entries(filter).filter(([, value]) => value !== '');
  return set.length === 0 ? '' : `?${new URLSearchParams(set)}`;
}

export interface ListedSite {
  readonly site: Site;
  readonly facts: SiteFacts;
  readonly standing: Standing;
}

export function isShown(
  { site, standing }: Pick<ListedSite, 'site' | 'standing'>,
  { q, label, state }: SiteFilter,
): boolean {
  const labels = labelsOf(site);
  const words = [site.id, site.name, site.orchestratorId, ...site.hostnames, ...labels];
  return (
    (label === '' || labels.includes(label)) &&
    (state === '' || isOf(standing, state)) &&
    q
      .toLowerCase()
      .split(/\s+/)
      .every((part) => words.some((word) => word.toLowerCase().includes(part)))
  );
}

const TROUBLE: ReadonlySet<Tone> = new Set(['bad', 'warn']);
export const isTrouble = ({ tone }: Standing): boolean => TROUBLE.has(tone);
const isOf = (standing: Standing, state: string): boolean =>
  state === 'to look at' ? isTrouble(standing) : standing.word.startsWith(state);

const labelsOf = ({ labels }: Site): string[] =>
  Object.entries(labels).map(([name, value]) => `${name}:${value}`);

/** Every label that a site has, once. */
export const allLabels = (sites: readonly Site[]): string[] => [...new Set(sites.flatMap(labelsOf))].sort();

/** Those first that somebody may have to look at, then by id. */
export const inOrder = (sites: readonly ListedSite[]): ListedSite[] =>
  sites.toSorted(
    (a, b) =>
      TONES.indexOf(a.standing.tone) - TONES.indexOf(b.standing.tone) || (a.site.id < b.site.id ? -1 : 1),
  );
