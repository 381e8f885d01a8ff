import type { Event, SiteMove } from '@clawdbot/protocol';
import { Part } from '../ask/part.tsx';
import { useFresh } from '../ask/use-fresh.ts';
import { EventTable } from '../view/events.tsx';
import { withMoves } from '../view/move-words.ts';
import { Panel } from '../view/panel.tsx';
import { merged } from './merged.ts';
import { readEvents } from './reads.ts';

interface HistoryProps {
  readonly siteId: string;
  /** Of the site, from the live picture, newest first. */
  readonly live: readonly Event[];
  readonly moves: readonly SiteMove[];
}

/** What has happened to a site: the live tail, and what D1 has of the time before. */
export function History({ siteId, live, moves }: HistoryProps) {
  const { fetched, again } = useFresh(() => readEvents(siteId), live[0]?.id ?? '');
  return (
    <Panel name="events" title="Events">
      <Part fetched={fetched} again={again} what="the events">
        {(events) => {
          const all = withMoves(merged(live, events), moves);
          return all.length === 0 ? (
            <p className="nothing">Nothing has happened yet.</p>
          ) : (
            <EventTable shown={all} />
          );
        }}
      </Part>
    </Panel>
  );
}
