import { describe, expect, it } from 'vitest';
import type { DeadLetter, LetterKey } from '../inbox/index.ts';
import { BEARER, createBench } from './app.fixture.ts';

const letter = (seq: number, log: LetterKey['log'] = 'control'): DeadLetter => ({
  log,
  logId: 'log_0-abc',
  seq,
  at: 1_000,
  attempts: 1,
  failedAt: 2_000,
  error: 'unknown entry type',
  body: '{}',
});

/** The routes over these letters, and what they were asked to do. */
async function serve(letters: readonly DeadLetter[]) {
  const acts: string[] = [];
  const act = (name: string) => (key: LetterKey) => {
    acts.push(`${name} ${key.log} ${key.logId} ${key.seq}`);
    return letters.some(({ seq, log }) => seq === key.seq && log === key.log);
  };
  const http = await createBench().serve({
    letters: {
      list: (limit, after) => {
        const from = letters.findIndex(({ seq, log }) => seq === after?.seq && log === after.log) + 1;
        return letters.slice(from, from + limit);
      },
      replay: act('replay'),
      drop: act('drop'),
    },
  });
  const ask = async (path: string, method = 'GET') => {
    const response = await http(`/internal/deadletters${path}`, { method, headers: BEARER });
    return { status: response.status, body: await response.json() };
  };
  return { acts, ask };
}

describe('the dead letters', () => {
  it('are listed page by page, through both logs', async () => {
    const { ask } = await serve([letter(3), letter(9), letter(4, 'queue')]);
    const first = { items: [letter(3), letter(9)], next: 'control.log_0-abc.9' };
    expect((await ask('?limit=2')).body).toEqual(first);
    const rest = { items: [letter(4, 'queue')], next: null };
    expect((await ask('?limit=2&after=control.log_0-abc.9')).body).toEqual(rest);
    expect(await ask('?after=nonsense')).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });

  it.each(['replay', 'drop'])('are settled one by one: %s', async (act) => {
    const { acts, ask } = await serve([letter(3)]);
    const key = { log: 'control', logId: 'log_0-abc', seq: 3 };
    expect(await ask(`/control/log_0-abc/3/${act}`, 'POST')).toEqual({ status: 200, body: key });
    expect(acts).toEqual([`${act} control log_0-abc 3`]);
  });

  it.each(['/control/log_0-abc/4/replay', '/control/log_0-abc/x/drop', '/other/log_0-abc/3/drop'])(
    'are 404 when there is none: %s',
    async (path) => {
      const { ask } = await serve([letter(3)]);
      expect(await ask(path, 'POST')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    },
  );
});
