/**
 * `npm run conformance`: a suite of HTTP cases that nobody here wrote, once straight at its own origin and once through
 * the relay. The relay is no cache, and must not be seen: a case passes when its outcome is the same both ways.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withCleanup } from '../bench/cleanup.ts';
import { freePort } from '../sandbox/cloudflare/start.ts';
import { ROOT } from '../sandbox/parts.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { Operator } from '../sandbox/seed/demo-site.ts';
import { DEMO } from '../sandbox/seed/tenants.ts';
import { fetchSuite, type Outcomes, runCases, startOrigin } from './suite.ts';

const SITE = 'conformance';
const SHARE_MIN = 0.9;

/** Cases whose outcome through the relay is another one. */
const differing = (straight: Outcomes, relayed: Outcomes): string[] =>
  Object.keys(straight).filter((id) => relayed[id] !== straight[id]);

process.exitCode = await withCleanup(async (cleanup) => {
  const suite = fetchSuite(join(ROOT, '.sandbox/conformance'));
  const dir = mkdtempSync(join(tmpdir(), 'conformance-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const origin = await startOrigin(suite, port);
  cleanup.add(() => origin.kill());
  const sandbox = await Sandbox.prepare({ dir, ports: 'free' });
  cleanup.add(() => sandbox.stop());
  await sandbox.start();
  const { edgeUrl, relayUrl, adminToken } = sandbox.file;
  const operator = new Operator(edgeUrl, adminToken);
  await operator.createSite({ ...DEMO, siteId: SITE, siteName: SITE });
  const upstream = `http://localhost:${port}`;
  await operator.configure(SITE, 0, { routes: [{ path: '/*', upstream, offline: 'unavailable' }] });

  const straight = runCases(suite, upstream);
  const relayed = runCases(suite, `${relayUrl}/s/${SITE}`);
  const cases = Object.keys(straight).length;
  const others = differing(straight, relayed);
  for (const id of others) console.log(`${id}\n  straight: ${straight[id]}\n  relayed:  ${relayed[id]}`);
  const share = (cases - others.length) / cases;
  console.log(
    `${cases} cases, ${cases - others.length} the same through the relay (${(share * 100).toFixed(1)} %)`,
  );
  return share >= SHARE_MIN ? 0 : 1;
});
