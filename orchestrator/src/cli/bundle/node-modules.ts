import { isBuiltin } from 'node:module';
import type { Plugin } from 'esbuild';

/**
 * CommonJS packages `require` Node's modules, which esbuild leaves as a `require` that an ES module in workerd
 * has not. As wrangler does, each such call becomes a module of its own that imports what was asked for.
 */
export const requiredNodeModules: Plugin = {
  name: 'required-node-modules',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z_/:0-9]+$/ }, ({ path, kind, namespace }) => {
      if (!isBuiltin(path) || namespace === 'required-node') return undefined;
      const name = path.startsWith('node:') ? path : `node:${path}`;
      return kind === 'require-call'
        ? { path: name, namespace: 'required-node' }
        : { path: name, external: true };
    });
    onLoad({ filter: /.*/, namespace: 'required-node' }, ({ path }) => ({
      contents: `import module_ from ${JSON.stringify(path)}; module.exports = module_;`,
      loader: 'js',
    }));
  },
};
