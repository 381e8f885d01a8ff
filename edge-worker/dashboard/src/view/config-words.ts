import { CONFIG_FAILURES_MAX, type SiteStatus } from '@clawdbot/protocol';

/** A site whose newest config its orchestrator has refused. */
export interface Refusal {
  readonly siteId: string;
  readonly words: string;
}

/** Those that nobody has mended yet: a refused generation is newer than the one that runs. */
export function refusals(sites: readonly SiteStatus[]): Refusal[] {
  return sites.flatMap(({ siteId, generation, lastFailure }) => {
    if (lastFailure === undefined || lastFailure.generation <= generation) return [];
    const { generation: refused, failures = 1, error } = lastFailure;
    const why = error === undefined ? '' : `: ${error}`;
    const runs = generation === 0 ? 'no config runs' : `generation ${generation} runs`;
    return [{ siteId, words: `Config generation ${refused} was refused${times(failures)}${why} (${runs})` }];
  });
}

function times(failures: number): string {
  if (failures < 2) return '';
  const quarantined = failures < CONFIG_FAILURES_MAX ? '' : ', and is not sent again before it is edited';
  return ` ${failures} times${quarantined}`;
}
