import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { digestOf, edgeCodec } from '@clawdbot/protocol';
import { TestEdge } from './link/edge.fixture.ts';
const edge = new TestEdge();
const url = await edge.listen();
const dir = mkdtempSync('/tmp/orchA/m-');
const sites = Number(process.argv[2] ?? 1);
const child = spawn(process.execPath, [...(process.argv[3] ? ['--cpu-prof', '--cpu-prof-dir=/tmp/orchA/prof'] : []), new URL('./main.ts', import.meta.url).pathname], { env: { ...process.env, ORCHESTRATOR_ID: 'vps-1', EDGE_URL: url, KEY_FILE: '/tmp/orchA/key.pem', DATA_DIR: dir, PORT: '0', NODE_ENV: 'production', LOG_LEVEL: 'warn' }, stdio: ['ignore', 'inherit', 'inherit'] });
const socket = await edge.welcomed(0);
const N = 1000;
const bodies = [];
for (let n = 1; n <= N; n++) {
  const config = { routes: [], worker: { vars: { N: String(n) } } };
  bodies.push(edgeCodec.encodeEntry({ type: 'update_config', commandId: `cmd_vps-1_${String(n).padStart(22, '0')}`, siteId: `site-${n % sites}`, generation: n, digest: digestOf(config), config }));
}
const t = performance.now();
for (let i = 0; i < N; i += 500) socket.send(...bodies.slice(i, i + 500).map((body, k) => ({ type: 'entry' as const, log: 'control' as const, seq: i + k + 1, at: 1, body })));
let acked = 0;
const timer = setInterval(() => {
  const entries = socket.frames.filter((f) => f.type === 'entry');
  const last = entries.at(-1)?.seq ?? 0;
  if (last > acked) { acked = last; socket.send({ type: 'ack', log: 'control', applied: last }); }
  const results = entries.filter((f) => f.body.includes('command_result'));
  if (results.length === N) {
    console.log(`${sites} sites: ${N} edits in ${Math.round(performance.now() - t)} ms; succeeded ${results.filter((r) => r.body.includes('succeeded')).length}; entries ${entries.length}; statuses ${socket.frames.filter((f) => f.type === 'status').length}`);
    clearInterval(timer); child.kill('SIGTERM'); child.once('exit', () => edge.close());
  }
}, 5);
