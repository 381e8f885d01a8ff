/** Imported before a part's own code, with `MUTATIONS` in its environment: puts the faults into what it loads. */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { type Mutation, mutate } from './mutation.ts';

const mutations = JSON.parse(process.env['MUTATIONS'] ?? '[]') as Mutation[]; // From `mutatedEnv`.

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (loaded.source === undefined || loaded.source === null || !url.startsWith('file:')) return loaded;
    const source = String(loaded.source);
    return { ...loaded, source: mutate(fileURLToPath(url), source, mutations) };
  },
});
