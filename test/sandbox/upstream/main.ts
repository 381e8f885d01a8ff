import { z } from 'zod';
import { listenOnLoopback } from '../ports.ts';
import { ReceivedLog } from './received.ts';
import { demoSite } from './site.ts';

/** The demo site's upstream as a process: `PORT` on both loopbacks, `LOG_FILE` for what it received. */
const { PORT, LOG_FILE } = z.object({ PORT: z.coerce.number(), LOG_FILE: z.string() }).parse(process.env);

await listenOnLoopback(
  PORT,
  demoSite(new ReceivedLog(LOG_FILE), () => new Date()),
);
process.on('SIGTERM', () => process.exit(0));
