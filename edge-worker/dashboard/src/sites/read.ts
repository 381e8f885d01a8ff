import { listOf, type Site, site } from '@clawdbot/protocol';
import { read } from '../ask/ask.ts';

/** The most that a list gives at once, and more pages than anybody scrolls through: 5,000 sites. */
const PER_PAGE = 200;
const PAGES_MAX = 25;

export interface AllSites {
  readonly sites: readonly Site[];
  /** There are more than were asked for. */
  readonly isCut: boolean;
}

/** @throws as `read` does */
export async function readSites(): Promise<AllSites> {
  const sites: Site[] = [];
  let next: string | null = '';
  for (let page = 0; page < PAGES_MAX && next !== null; page += 1) {
    const after: string = next === '' ? '' : `&after=${encodeURIComponent(next)}`;
    const answer: { items: Site[]; next: string | null } = await read(
      `/sites?limit=${PER_PAGE}${after}`,
      listOf(site),
    );
    sites.push(...answer.items);
    next = answer.next;
  }
  return { sites, isCut: next !== null };
}
