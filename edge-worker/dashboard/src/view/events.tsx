import { counted, type Event } from '@clawdbot/protocol';
import { memo, useState } from 'react';
import { SiteLink } from '../place/here.tsx';
import { ALL, Choice } from './choice.tsx';
import { kindOf, TYPES, tell } from './event-words.ts';
import { Icon } from './icon.tsx';
import { Nothing, Panel } from './panel.tsx';
import { At } from './since.tsx';
import { Table } from './table.tsx';

interface EventsProps {
  readonly known: readonly Event[] | undefined;
  /** How many happened and are not in the list. */
  readonly missed: number;
}

/** The tail of what happened on the VPSes. */
export function Events({ known, missed }: EventsProps) {
  const [type, setType] = useState<string>(ALL);
  const [site, setSite] = useState<string>(ALL);
  const shown = known?.filter(
    (event) => (type === ALL || event.type === type) && (site === ALL || event.siteId === site),
  );
  const sites = [...new Set(known?.map(({ siteId }) => siteId))].sort();
  if (site !== ALL && !sites.includes(site)) sites.push(site);
  return (
    <Panel
      name="events"
      title="Events"
      sum={
        <>
          <Choice label="Type" value={type} choose={setType} choices={Object.entries(TYPES)} />
          <Choice label="Site" value={site} choose={setSite} choices={sites.map((id) => [id, id])} />
        </>
      }
    >
      {missed > 0 && (
        <p className="missed" role="note">
          {counted(missed, 'event was', 'events were')} too many to show one by one:{' '}
          <a href="/api/v1/events">all of them</a>.
        </p>
      )}
      {shown === undefined || shown.length === 0 ? (
        <Nothing known={known !== undefined}>
          {known?.length === 0 ? 'Nothing has happened yet.' : 'No event of this type and site.'}
        </Nothing>
      ) : (
        <EventTable shown={shown} />
      )}
    </Panel>
  );
}

/** @param shown newest first */
export const EventTable = ({ shown }: { readonly shown: readonly Event[] }) => (
  <div className="scrolls">
    <Table columns={['Time', 'Type', 'Site', 'What happened']}>
      {shown.map((event) => (
        <Row key={event.id} event={event} />
      ))}
    </Table>
  </div>
);

/** Drawn again for another event only, not for each that comes. */
const Row = memo(function Row({ event }: { readonly event: Event }) {
  const { words, trouble, url } = tell(event);
  return (
    <tr>
      <td className="time">
        <At at={event.receivedAt} />
      </td>
      <td>
        <span className={`type ${event.type}`}>{kindOf(event)}</span>
      </td>
      <td className="name" title={`${event.siteId} on ${event.orchestratorId}`}>
        <SiteLink siteId={event.siteId} />
      </td>
      <td className={trouble ? 'wide trouble' : 'wide'}>
        {trouble && <Icon shape="away" />}
        {words}
        {url !== undefined && (
          <p>
            <a href={url} target="_blank" rel="noreferrer">
              {url}
            </a>
          </p>
        )}
      </td>
    </tr>
  );
});
