import type { Event } from '@clawdbot/protocol';
import { memo, useId, useState } from 'react';
import { tell } from './event-words.ts';
import { Icon } from './icon.tsx';
import { Nothing, Panel } from './panel.tsx';
import { At } from './since.tsx';

const TYPES: Record<Event['type'], string> = {
  worker_deployment: 'Deployment',
  config_change: 'Config',
  health_check: 'Health',
};
const ALL = '';

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
          {missed} {missed === 1 ? 'event was' : 'events were'} too many to show one by one:{' '}
          <a href="/api/v1/events">all of them</a>.
        </p>
      )}
      {shown === undefined || shown.length === 0 ? (
        <Nothing known={known !== undefined}>
          {known?.length === 0 ? 'Nothing has happened yet.' : 'No event of this type and site.'}
        </Nothing>
      ) : (
        <div className="scrolls">
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Type</th>
                <th scope="col">Site</th>
                <th scope="col">What happened</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((event) => (
                <Row key={event.id} event={event} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

/** Drawn again for another event only, not for each that comes. */
const Row = memo(function Row({ event }: { readonly event: Event }) {
  const { words, trouble, url } = tell(event);
  return (
    <tr>
      <td className="time">
        <At at={event.receivedAt} />
      </td>
      <td>
        <span className={`type ${event.type}`}>{TYPES[event.type]}</span>
      </td>
      <td className="name" title={`${event.siteId} on ${event.orchestratorId}`}>
        {event.siteId}
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

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly choose: (value: string) => void;
  readonly choices: readonly (readonly [value: string, word: string])[];
}

function Choice({ label, value, choose, choices }: ChoiceProps) {
  const id = useId();
  return (
    <span className="choice">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={({ target }) => choose(target.value)}>
        <option value={ALL}>all</option>
        {choices.map(([choice, word]) => (
          <option key={choice} value={choice}>
            {word}
          </option>
        ))}
      </select>
    </span>
  );
}
