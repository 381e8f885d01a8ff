/** The load generator's process: runs the jobs it is sent, one at a time, and ends with the benchmark. */
import { job } from './job.ts';
import { run } from './run.ts';

process.on('message', (message) => {
  void run(job.parse(message)).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
