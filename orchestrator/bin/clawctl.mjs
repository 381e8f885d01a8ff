#!/usr/bin/env node
// Plain JavaScript, since the Node that starts it may be too old to run the TypeScript behind it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MAIN = new URL('../src/cli/main.ts', import.meta.url);
/** The Node that the workspace brings along. */
const OWN_NODE = fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url));

/** Node runs TypeScript by itself from 22.18 on. */
function runsTypeScript() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

if (runsTypeScript()) {
  await import(MAIN.href);
} else if (existsSync(OWN_NODE)) {
  const { status, signal } = spawnSync(OWN_NODE, [fileURLToPath(MAIN), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? (signal === null ? 1 : 130);
} else {
  console.error(
    `clawctl: Node ${process.versions.node} is too old: use 22.18 or later, or run "npm install" first`,
  );
  process.exitCode = 1;
}
