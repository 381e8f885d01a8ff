import { wranglerConfig } from './config.ts';

/** Says nothing of what is deployed. */
const PASSED_OVER = ['$schema', 'account_id', 'dev', 'send_metrics', 'workers_dev'];

/** A Worker does without them what it does with them: they are named. */
const UNHEARD = [
  'observability',
  'logpush',
  'tail_consumers',
  'streaming_tail_consumers',
  'placement',
  'limits',
  'cache',
  'upload_source_maps',
  'minify',
  'keep_names',
  'preview_urls',
  'previews',
  'env',
  'first_party_worker',
];

const TAKEN = new Set([...Object.keys(wranglerConfig.shape), ...PASSED_OVER]);

/** Members that are not deployed, as they would be skipped by. */
interface NotDeployed {
  readonly unheard: readonly string[];
  /** All others, those too that a later wrangler knows: without them the Worker may not work. */
  readonly missing: readonly string[];
}

export function notDeployed(config: Readonly<Record<string, unknown>>): NotDeployed {
  const said = Object.keys(config).filter((key) => !TAKEN.has(key) && saysSomething(config[key]));
  const unheard = said.filter((key) => UNHEARD.includes(key));
  return {
    // Every Worker is put on workers.dev, where it is proven.
    unheard: config['workers_dev'] === false ? [...unheard, 'workers_dev'] : unheard,
    missing: [...said.filter((key) => !UNHEARD.includes(key)), ...consumers(config['queues'])],
  };
}

const consumers = (queues: unknown): string[] =>
  typeof queues === 'object' && queues !== null
    ? Object.entries(queues).flatMap(([key, value]) =>
        key !== 'producers' && saysSomething(value) ? [`queues.${key}`] : [],
      )
    : [];

/** `false`, an empty list and a member with nothing but such in it are as good as not there. */
function saysSomething(value: unknown): boolean {
  if (typeof value !== 'object' || value === null)
    return value !== undefined && value !== null && value !== false;
  return Object.values(value).some(saysSomething);
}

/** A copy without these members, each by its path, such as `queues.consumers`. */
export function without(config: object, paths: readonly string[]): object {
  const copy: object = structuredClone(config);
  for (const path of paths) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    const parent = keys.reduce<unknown>(
      (value, key) => (isObject(value) && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined),
      copy,
    );
    if (isObject(parent)) Reflect.deleteProperty(parent, last);
  }
  return copy;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
