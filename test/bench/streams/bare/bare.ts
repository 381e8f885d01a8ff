import { join } from 'node:path';
import { freePort } from '../../../sandbox/cloudflare/start.ts';
import { answers } from '../../../sandbox/processes/polling.ts';
import { type Own, start, workerd } from '../../relay/processes.ts';
import { Customers } from '../customers.ts';
import { residentMib } from '../memory.ts';

/** @returns by how many MiB a workerd that only streams grows, while so many customers have asked and read nothing */
export async function stalledAtBareWorker(own: Own, count: number): Promise<number> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const launch = await workerd(join(own.dir, 'bare'), { entry: '../streams/bare/worker.ts', port, vars: {} });
  const pid = await start(own, { name: 'bare', ...launch, isUp: () => answers(url) });
  const before = residentMib(pid);
  const customers = await Customers.stalled(url, count);
  const grown = residentMib(pid) - before;
  customers.leave();
  return grown;
}
