import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withCleanup } from '../cleanup.ts';
import { startSender, startSystem } from './system.ts';

process.exitCode = await withCleanup(async (cleanup) => {
  const dir = mkdtempSync(join(tmpdir(), 'bench-sync-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  const system = await startSystem(dir, cleanup);
  const sender = startSender(system);
  const rate = (n: number, ms: number) => `${Math.round((n / ms) * 1000)}/s`;
  try {
    await sender.do('bare', 'connect');
    await sender.do('product', 'connect');
    console.log('connected', system.sandbox.file.pids['edge']);
    for (let r = 0; r < 3; r++) {
      await system.database.behave('fail');
      console.log('bare batched', rate(20000, await sender.do('bare', 'batched', 20000)));
      console.log('product batched, D1 away', rate(20000, await sender.do('product', 'batched', 20000)));
      console.log(
        'bare 1x1',
        rate(2000, await sender.do('bare', 'one by one', 2000)),
        'windowed',
        rate(2000, await sender.do('bare', 'windowed', 2000)),
      );
      console.log(
        'product 1x1',
        rate(2000, await sender.do('product', 'one by one', 2000)),
        'windowed',
        rate(2000, await sender.do('product', 'windowed', 2000)),
      );
      await system.database.behave('ok');
      const t = performance.now();
      await sender.do('product', 'projected');
      console.log('to D1', performance.now() - t);
      const t2 = performance.now();
      await sender.do('product', 'batched', 20000);
      const t3 = performance.now();
      await sender.do('product', 'projected');
      console.log('both', rate(20000, t3 - t2), 'into D1', rate(20000, performance.now() - t2));
    }
  } catch (e) {
    console.error(e);
    const { execSync } = await import('node:child_process');
    console.log(execSync(`tail -30 ${dir}/sandbox/logs/edge.log`).toString());
  }
  return 0;
});
process.exit();
