// Runs before `npm start` and `npm test`, on whatever Node the machine has and with nothing installed: calls npm
// only when something is missing, because an `npm install` each time would cost seconds.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

const changedAt = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

// npm writes this file at the end of an installation.
if (changedAt('node_modules/.package-lock.json') < changedAt('package-lock.json')) {
  console.log('Installing what is missing (about a minute) …');
  const npm = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  process.exit(npm.status ?? 1);
}
