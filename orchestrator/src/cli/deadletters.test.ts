import type { DeadLetter } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { clawctl, problem } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

const ID = 'dl_vps-1_orchestrator_control_log_0000_7';
const letter: DeadLetter = {
  id: ID,
  orchestratorId: 'vps-1',
  side: 'orchestrator',
  log: 'control',
  seq: 7,
  at: Date.parse('2026-11-01T10:00:00Z'),
  attempts: 1,
  error: 'unknown entry type "sing"',
  state: 'dead',
  entryType: 'sing',
};
const edge = {
  'GET /api/v1/deadletters': [() => ({ items: [letter], next: null })],
  [`GET /api/v1/deadletters/${ID}`]: [() => ({ ...letter, body: '{"type":"sing"}' })],
  [`POST /api/v1/deadletters/${ID}/replay`]: [() => ({ ...letter, state: 'replaying' })],
  [`POST /api/v1/deadletters/${ID}/drop`]: [() => ({ ...letter, side: 'edge' })],
};

describe('deadletters', () => {
  it.each([[[]], [['list']]])('are listed: %o', async (args) => {
    const { out, err } = await clawctl(['deadletters', ...args], edge);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^DEAD LETTER +AT +ENTRY +STATE +DIED +TRIES +WHY$/),
      `${ID}  orchestrator  sing   dead   2026-11-01 10:00:00  1      unknown entry type "sing"`,
    ]);
    expect(err).toBe('');
    expect(JSON.parse((await clawctl(['--json', 'deadletters', ...args], edge)).out)).toEqual([letter]);
  });

  it('are none when all could be handled', async () => {
    const none = { 'GET /api/v1/deadletters': [() => ({ items: [], next: null })] };
    expect((await clawctl(['deadletters'], none)).out).toBe('none');
    expect((await clawctl(['--json', 'deadletters'], none)).out).toBe('[]');
  });

  it('are those of one orchestrator, and it is said when there are more', async () => {
    const many = { 'GET /api/v1/deadletters': [() => ({ items: [letter], next: 'x' })] };
    const { err, seen } = await clawctl(['deadletters', 'list', '--orchestrator', 'vps-1'], many);
    expect(new URL(seen[0]?.url ?? '').search).toBe('?orchestrator=vps-1&limit=200');
    expect(err).toMatch(/there are more/);
  });

  it('are shown with the entry as it came', async () => {
    const { out } = await clawctl(['deadletters', 'show', ID], edge);
    expect(JSON.parse(out)).toMatchObject({ id: ID, body: '{"type":"sing"}' });
  });

  it('are replayed and dropped, at once at the edge, on a VPS when it is told', async () => {
    const replayed = await clawctl(['deadletters', 'replay', ID], edge);
    expect(replayed.out).toBe(`${ID} is handled once more as soon as the orchestrator is told`);
    expect((await clawctl(['deadletters', 'drop', ID], edge)).out).toBe(`${ID} is given up`);
  });

  it('end with one sentence when there is none, or no such command', async () => {
    const none = {
      [`POST /api/v1/deadletters/${ID}/drop`]: [problem(404, 'not_found', 'no such dead letter')],
    };
    expect((await clawctl(['deadletters', 'drop', ID], none)).error).toEqual(
      new CliError('no such dead letter'),
    );
    expect((await clawctl(['deadletters', 'burn'], edge)).err).toMatch(/too many arguments|unknown command/);
  });
});
