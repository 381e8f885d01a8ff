import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { clawctl } from './clawctl.fixture.ts';

describe('with --json', () => {
  it('a wrong command line is one JSON object', async () => {
    const { err } = await clawctl(['--json', 'deploy', '--nonsense']);
    expect(JSON.parse(err)).toEqual({ error: "unknown option '--nonsense'" });
  });
});

describe('a wrong command line', () => {
  it.each([
    ['deploy', ['--nonsense'], /unknown option '--nonsense'/],
    ['deploy', ['--steps', 'ten'], /'--steps .*expected up to 10 percentages that ascend/],
    ['deploy', ['--steps', '10,1'], /'--steps .*expected up to 10 percentages that ascend/],
    ['deploy', ['--bake', '86401'], /'--bake .*expected seconds, 86400 at most/],
    ['fleet', ['--check', 'health'], /'--check .*expected a path that begins with "\/"/],
    ['sites list', ['--bak', '5'], /unknown option '--bak'/],
  ])('is told in one line, and where the help is: %s %s', async (command, options, message) => {
    const { err } = await clawctl([...command.split(' '), ...options]);
    const [complaint, ...rest] = err.split('\n');
    expect(complaint).toMatch(message);
    expect(rest).toEqual([`see "clawctl ${command} --help"`]);
  });
});

describe('the launcher', () => {
  it('runs the command line, and fails with one line and without a stack', () => {
    const bin = join(import.meta.dirname, '../../bin/clawctl.mjs');
    const run = (args: string[]) =>
      spawnSync(process.execPath, [bin, ...args], {
        cwd: tmpdir(),
        env: { PATH: process.env['PATH'] },
        encoding: 'utf8',
      });
    expect(run(['--version'])).toMatchObject({ status: 0, stdout: '0.1.0\n', stderr: '' });
    const failed = run(['status']);
    expect(failed).toMatchObject({ status: 1, stdout: '' });
    expect(failed.stderr).toMatch(/^clawctl: there is no edge to talk to[^\n]*\n$/);
    const asJson: unknown = JSON.parse(run(['status', '--json']).stderr);
    expect(asJson).toEqual({ error: expect.stringMatching(/^there is no edge/) });
    // Three processes that start from nothing, on a machine that may be busy.
  }, 20_000);
});
