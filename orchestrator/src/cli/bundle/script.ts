import type { BuildOptions, Plugin } from 'esbuild';

const SCRIPT = /\?script$/;
const OPTIONS: BuildOptions = {
  bundle: true,
  write: false,
  format: 'iife',
  target: 'es2022',
  platform: 'browser',
  minify: true,
  logLevel: 'silent',
};

/** `import text from './page/main.ts?script'`: that module and all it imports, as the text of a script for browsers. */
export const scripts: Plugin = {
  name: 'scripts',
  setup({ onResolve, onLoad, resolve, esbuild }) {
    onResolve({ filter: SCRIPT }, async ({ path, resolveDir, kind }) => {
      const found = await resolve(path.replace(SCRIPT, ''), { resolveDir, kind });
      return found.errors.length > 0 ? { errors: found.errors } : { path: found.path, namespace: 'script' };
    });
    onLoad({ filter: /.*/, namespace: 'script' }, async ({ path }) => {
      const { outputFiles = [] } = await esbuild.build({ ...OPTIONS, entryPoints: [path] });
      return { contents: outputFiles[0]?.text ?? '', loader: 'text' };
    });
  },
};
