import { defineConfig } from 'vite';

/** The dashboard, as the Worker serves it on the console's `/` (../wrangler.jsonc, `assets`). */
export default defineConfig({
  root: import.meta.dirname,
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2024',
    // The page's content security policy allows no data: scripts, and one request less is not worth a rule.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
