import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDir } from '../fixture.ts';
import { Sandbox } from '../sandbox.ts';
import { readControl, writeControl } from './file.ts';
import { ControlServer, isRunning } from './server.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

async function run(cwd: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args], { cwd });
    return { code: 0, out: stdout.trim(), err: stderr.trim() };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout.trim(), err: stderr.trim() };
  }
}

/** A folder in which a control server runs, and what it was asked to do. */
async function running(fails?: string) {
  const cwd = temporaryDir();
  const dir = join(cwd, '.sandbox');
  mkdirSync(dir);
  const asked: string[] = [];
  const note = (verb: string) => async (part: string) => {
    asked.push(`${verb} ${part}`);
    if (fails !== undefined) throw new Error(fails);
  };
  const has = (part: string) => part !== 'workers';
  const sql = async (statement: string) => {
    if (fails !== undefined) throw new Error(fails);
    return [{ statement }];
  };
  const server = new ControlServer(dir, { has, startPart: note('start'), stopPart: note('stop'), sql });
  await server.listen();
  onTestFinished(() => server.close());
  return { cwd, dir, asked, server };
}

test('stop, start and restart are done before the command ends, and it says so', async () => {
  const { cwd, asked } = await running();
  expect(await run(cwd, 'stop', 'edge')).toEqual({ code: 0, out: 'edge is down', err: '' });
  expect(await run(cwd, 'start', 'edge')).toEqual({ code: 0, out: 'edge is up', err: '' });
  expect(await run(cwd, 'restart', 'upstream')).toEqual({ code: 0, out: 'upstream is up', err: '' });
  expect(asked).toEqual(['stop edge', 'start edge', 'stop upstream', 'start upstream']);
});

test('a statement goes to D1 and its rows come back, a line each; one that fails says why', async () => {
  const { cwd } = await running();
  expect(await run(cwd, 'sql', 'SELECT 1')).toEqual({ code: 0, out: '{"statement":"SELECT 1"}', err: '' });
  const broken = await running('no such table');
  expect(await run(broken.cwd, 'sql', 'SELECT 1')).toMatchObject({ code: 1, err: 'no such table' });
});

test.each([
  [['sql', 'SELECT', '1'], 'put the statement in quotes\n'],
  [[], ''],
  [['stop'], ''],
  [['bogus'], 'there is no "bogus": say stop, start, restart or sql\n'],
  [['stop', 'everything'], 'there is no part "everything": the parts are edge, '],
  [['stop', 'edge', 'now'], 'there is one part at a time: leave out "now"\n'],
])('wrong words %j are named above the usage, with exit 2', async (args, complaint) => {
  const { code, err } = await run(temporaryDir(), ...args);
  expect(code).toBe(2);
  expect(err.slice(0, complaint.length)).toBe(complaint);
  expect(err).toMatch(/^usage: npm run sandbox -- stop\|start\|restart/m);
});

test('a start where a sandbox runs says how to end that one', async () => {
  const { dir } = await running();
  const starting = Sandbox.prepare({ dir, ports: 'free' });
  await expect(starting).rejects.toThrow(
    `a sandbox is already running in ${dir}: press Ctrl-C in its terminal, or run: kill ${process.pid}`,
  );
});

test('without a running sandbox there is one line, and exit 1', async () => {
  const nothing = {
    code: 1,
    out: '',
    err: 'no sandbox is running here: start one with npm start',
  };
  expect(await run(temporaryDir(), 'stop', 'edge')).toEqual(nothing);
  const { cwd, dir, server } = await running();
  const left = readControl(dir);
  await server.close();
  if (left !== undefined) writeControl(dir, left);
  expect(await run(cwd, 'stop', 'edge')).toEqual(nothing);
  expect(await isRunning(dir)).toBe(false);
});

test('a part that does not come up is said, and exit 1', async () => {
  const { cwd } = await running('edge did not answer');
  expect(await run(cwd, 'start', 'edge')).toEqual({ code: 1, out: '', err: 'edge did not answer' });
});

test('whoever has not read the token is refused', async () => {
  const { dir, asked } = await running();
  const answer = await fetch(`${readControl(dir)?.url}/stop/edge`, { method: 'POST' });
  expect([answer.status, asked]).toEqual([401, []]);
});
