import type { ConfigConsumer, ConfigStanding, SiteConfigState } from '@clawdbot/protocol';
import type { Tone } from '../view/badge.tsx';
import type { Standing } from '../view/worker-words.ts';

const STANDINGS: Record<ConfigStanding, { readonly tone: Tone; readonly shape: Standing['shape'] }> = {
  pending: { tone: 'busy', shape: 'running' },
  applied: { tone: 'good', shape: 'succeeded' },
  refused: { tone: 'bad', shape: 'failed' },
  quarantined: { tone: 'bad', shape: 'failed' },
  withdrawn: { tone: 'warn', shape: 'cancelled' },
};

/** The worst of those who have to use it decides. */
const WORST: readonly ConfigStanding[] = ['quarantined', 'refused', 'withdrawn', 'pending', 'applied'];

export function configStanding({ applied, generation }: SiteConfigState): Standing {
  if (generation === 0) return { word: 'no config', tone: 'quiet', shape: 'never' };
  const states = [applied.relay, applied.edge, applied.worker].flatMap((consumer) => consumer?.state ?? []);
  const word = WORST.find((state) => states.includes(state)) ?? 'pending';
  return { word, ...STANDINGS[word] };
}

/** Who has to use the desired config, and how far each is. */
export function consumers({ applied }: SiteConfigState): { readonly name: string; readonly words: string }[] {
  const all: [string, ConfigConsumer | undefined][] = [
    ['the VPS', applied.relay],
    ['the edge', applied.edge],
    ['the Worker', applied.worker],
  ];
  return all.flatMap(([name, consumer]) =>
    consumer === undefined ? [] : [{ name, words: consumerWords(consumer) }],
  );
}

function consumerWords({ state, generation, why }: ConfigConsumer): string {
  const uses = generation === undefined || state === 'applied' ? '' : `, uses generation ${generation}`;
  return `${state}${uses}${why === undefined ? '' : `: ${why}`}`;
}
