import { isFinal } from '@clawdbot/protocol';
import { Part } from '../ask/part.tsx';
import { useFresh } from '../ask/use-fresh.ts';
import { Badge } from '../view/badge.tsx';
import { COMMAND_TONES } from '../view/command-words.ts';
import { Panel } from '../view/panel.tsx';
import { Since } from '../view/since.tsx';
import { Table } from '../view/table.tsx';
import { outcome, stateWord } from './deployment-words.ts';
import { readDeployments, type SteppedDeployment } from './reads.ts';
import { Version } from './version.tsx';

interface DeploymentsProps {
  readonly siteId: string;
  /** Changes with each command and each event of a deployment of the site. */
  readonly news: string;
}

/** What was deployed for a site: what goes on, then what has ended, with how far each was seen. */
export function Deployments({ siteId, news }: DeploymentsProps) {
  const { fetched, again } = useFresh(() => readDeployments(siteId), news);
  const open = fetched.state === 'here' ? fetched.value.filter(({ state }) => !isFinal(state)).length : 0;
  return (
    <Panel name="deployments" title="Deployments" sum={open === 0 ? undefined : `${open} under way`}>
      <Part fetched={fetched} again={again} what="the deployments">
        {(deployments) =>
          deployments.length === 0 ? (
            <p className="nothing">
              No Worker was deployed yet: <code>clawctl deploy &lt;folder&gt; --site {siteId}</code> does.
            </p>
          ) : (
            <div className="scrolls">
              <Table columns={['State', 'Worker', 'Version', 'By', 'Age']}>
                {deployments.map((item) => (
                  <Row key={item.commandId} item={item} />
                ))}
              </Table>
            </div>
          )
        }
      </Part>
    </Panel>
  );
}

function Row({ item }: { readonly item: SteppedDeployment }) {
  const { commandId, state, name, versionId, createdBy, createdAt, updatedAt } = item;
  return (
    <tr>
      <td>
        <Badge shape={state} tone={COMMAND_TONES[state]} word={stateWord(item)} />
      </td>
      <td className="wide">
        <span title={commandId}>{name}</span>
        <p className={state === 'failed' ? 'refusal' : 'fine'}>{outcome(item)}</p>
      </td>
      <td className="time">
        <Version id={versionId} />
      </td>
      <td className="name by" title={createdBy}>
        {createdBy ?? 'on the VPS'}
      </td>
      <td className="age">
        <Since at={createdAt ?? updatedAt} />
      </td>
    </tr>
  );
}
