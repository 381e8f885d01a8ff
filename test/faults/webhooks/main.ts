/**
 * `npm run webhooks`: customers post webhooks to queued routes while the orchestrator is killed and revived, the edge as
 * well, and the upstream refuses for a while. Then every receipt must be delivered, and every repeat carry its key.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withCleanup } from '../../bench/cleanup.ts';
import { Sandbox } from '../../sandbox/sandbox.ts';
import { Operator } from '../../sandbox/seed/demo-site.ts';
import { DEMO } from '../../sandbox/seed/tenants.ts';
import { breakDuring, type Trouble } from './break.ts';
import { FLOODED, Flood } from './flood.ts';
import { compare, type Received } from './judge.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '20000' } } });
const count = Number(values.count);
/** Shares of the flood at which something is broken. */
const TROUBLES: readonly Trouble[] = [
  ...Array.from({ length: 10 }, (_, n) => ({ at: (n + 0.5) / 10, kill: 'orchestrator' }) as const),
  { at: 0.28, kill: 'edge' },
  { at: 0.72, kill: 'edge' },
  { at: 0.42, stop: 'upstream' },
  { at: 0.52, start: 'upstream' },
];
const DELIVERED_WITHIN_MS = 600_000;

process.exitCode = await withCleanup(async (cleanup) => {
  const dir = mkdtempSync(join(tmpdir(), 'webhooks-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  const sandbox = await Sandbox.prepare({ dir, ports: 'free' });
  cleanup.add(() => sandbox.stop());
  await sandbox.start();
  const { edgeUrl, adminToken, upstreamUrl } = sandbox.file;
  const operator = new Operator(edgeUrl, adminToken);
  await operator.createSite({ ...DEMO, siteId: FLOODED.siteId, siteName: 'flooded' });
  const upstream = upstreamUrl.replace('localhost', '127.0.0.1');
  const routes = FLOODED.routes.map((path) => ({ path, upstream, offline: 'queue', respond: 'accepted' }));
  await operator.configure(FLOODED.siteId, 0, { routes });

  const flood = new Flood(sandbox, count);
  const began = performance.now();
  await Promise.all([flood.run(), breakDuring(sandbox, TROUBLES, flood)]);
  const taken = performance.now();
  const received = async () => (await (await fetch(`${upstreamUrl}/_log`)).json()) as Received[];
  const stuck = await flood.settled(DELIVERED_WITHIN_MS);
  const verdict = compare(flood.posted, await received());
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  console.log(`
${count} webhooks on ${FLOODED.routes.length} routes, all taken in ${seconds(taken - began)} s, ${flood.repeated} posts repeated by their customers;
orchestrator killed 10 times, edge twice, the upstream away for a tenth of it.
delivered ${seconds(performance.now() - taken)} s later: ${verdict.arrived} receipts, ${verdict.missing.length} missing, ${stuck} not settled,
${verdict.repeats} repeats under their own key, ${verdict.strangers.length} under none or another, ${verdict.changed.length} with another body;
first arrivals out of order by ${verdict.displacement} places at most (16 are on their way at once).`);
  for (const line of [...verdict.missing, ...verdict.strangers, ...verdict.changed].slice(0, 10))
    console.error(line);
  return verdict.good && stuck === 0 ? 0 : 1;
});
