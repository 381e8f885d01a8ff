import type { Site } from '@clawdbot/protocol';
import { useId, useMemo } from 'react';
import { Choice } from '../view/choice.tsx';
import { allLabels, type SiteFilter, STATES } from './filter.ts';

interface FiltersProps {
  readonly filter: SiteFilter;
  readonly change: (filter: SiteFilter) => void;
  readonly sites: readonly Site[];
}

/** Which sites are shown. */
export function Filters({ filter, change, sites }: FiltersProps) {
  const id = useId();
  const labels = useMemo(() => allLabels(sites), [sites]);
  // A linked page may name a label that no site has any more.
  const choices = filter.label === '' || labels.includes(filter.label) ? labels : [...labels, filter.label];
  return (
    <search className="filters">
      <span className="choice">
        <label htmlFor={id}>Search</label>
        <input
          id={id}
          type="search"
          value={filter.q}
          onChange={({ target }) => change({ ...filter, q: target.value })}
          placeholder="id, name, host or label"
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
        />
      </span>
      <Choice
        label="Label"
        value={filter.label}
        choose={(label) => change({ ...filter, label })}
        choices={choices.map((label) => [label, label])}
      />
      <Choice
        label="State"
        value={filter.state}
        choose={(state) => change({ ...filter, state })}
        choices={STATES.map((state) => [state, state])}
      />
    </search>
  );
}
