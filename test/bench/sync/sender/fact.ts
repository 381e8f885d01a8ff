import type { NewEvent } from '../../../../orchestrator/src/sync/index.ts';

/** What is reported: a site's health, as the product's own watch says it, and the how manieth it is. */
export const factOf = (siteId: string, n: number): NewEvent => ({
  type: 'health_check',
  siteId,
  data: {
    n,
    status: n % 2 === 0 ? 'healthy' : 'unhealthy',
    checks: [
      { name: 'upstream http://127.0.0.1:4000', ok: n % 2 === 0, latencyMs: n % 100 },
      { name: 'tunnel', ok: true, detail: 'four connections' },
    ],
  },
});
