/** `npm run simulate`: both sides against one another under simulated time, thousands of times. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runAll } from './pool.ts';
import './hooks.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
  },
});

if (values.seed !== undefined) {
  const { simulate } = await import('./run.ts');
  const outcome = await simulate(Number(values.seed), { traced: true });
  console.log(outcome.trace.join('\n'));
  console.log(outcome.violations.length === 0 ? 'good' : outcome.violations.join('\n'));
  process.exitCode = outcome.violations.length === 0 ? 0 : 1;
} else {
  const summary = await runAll({
    from: Number(values.from),
    runs: Number(values.runs),
    workers: availableParallelism(),
    say: (line) => console.log(line),
  });
  process.exitCode = summary.failed.length === 0 ? 0 : 1;
}
process.exit();
