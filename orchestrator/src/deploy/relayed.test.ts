import { describe, expect, it } from 'vitest';
import type { LaneTally } from '../calls/index.ts';
import { type Compared, Relayed } from './relayed.ts';

const NONE = { answered: 0, failed: 0, apart: 0 };
const of = (requests: number, failed: number, apart = 0) => ({ answered: requests - failed, failed, apart });

interface Given {
  readonly lane?: number;
  /** When this count was begun, behind the traffic. */
  readonly since?: number;
  readonly version?: typeof NONE;
  readonly before?: typeof NONE;
  readonly others?: typeof NONE;
}

/** A version that has had 10 % for a minute, after the edge has answered so to each look. */
async function watched(
  looks: readonly (readonly (Given | undefined)[])[],
  { earlier, hasBefore = false }: { earlier?: Compared; hasBefore?: boolean } = {},
) {
  const answers = looks.map((tallies) =>
    tallies.map((given, at): LaneTally => {
      const { lane = at, since = 0, ...counts } = given ?? {};
      const tally = {
        since: 1_000 + since,
        at: 61_000,
        version: NONE,
        before: NONE,
        others: NONE,
        ...counts,
      };
      return { lane, tally: given === undefined ? undefined : tally };
    }),
  );
  const ask = async () => answers.shift() ?? [];
  const relayed = new Relayed({ ask, since: 5_000, percentage: 10, hasBefore, earlier, now: () => 65_000 });
  for (const _ of looks) await relayed.look();
  return relayed;
}

describe('what the edge counts while a version bakes', () => {
  it('is one sum over all lanes', async () => {
    const lanes = [
      { version: of(100, 2), before: of(700, 1) },
      { version: of(210, 40), before: of(2_100, 1) },
    ];
    const relayed = await watched([lanes]);
    expect(relayed.complaint(0)).toBe(
      '42 of 310 relayed requests of the new version failed (the version before: 2 of 2800), and no larger share may fail',
    );
    expect(relayed.complaint(0.1)).toContain('2 of 2800), and at most 10 % more may fail');
    expect(relayed.summary).toBe('310 relayed requests, 42 failed (the version before: 2 of 2800)');
  });

  it('is the latest of each count, and goes on over one that the edge has lost', async () => {
    const looks = [
      [{ version: of(30, 0) }],
      [{ version: of(40, 1) }],
      [{ since: 50_000, version: of(5, 0) }],
    ];
    const relayed = await watched(looks);
    expect(relayed.summary).toBe(
      '45 relayed requests, 1 failed; the edge lost its count once, and began anew',
    );
  });

  it('says nothing of counts that were lost with nothing in them: an object sleeps while nothing is relayed', async () => {
    const relayed = await watched([[{}], [{ since: 20_000 }], [{ since: 40_000, version: of(30, 0) }]]);
    expect(relayed.summary).toBe('30 relayed requests, 0 failed');
  });

  it('says so when it was begun later than the traffic was given', async () => {
    const relayed = await watched([[{ since: 14_000, version: of(30, 30) }]]);
    const late = 'counted from 14 s after it had its traffic';
    expect(relayed.summary).toBe(`30 relayed requests, 30 failed; ${late}`);
    expect(relayed.complaint(0)).toContain(`and none may fail; ${late}`);
  });

  it('says so when the edge could not be asked, always, at times, or on one lane', async () => {
    expect((await watched([[], [undefined]])).summary).toMatch(
      /could not be asked: the probes alone decided/,
    );
    const counted = { version: of(30, 0) };
    const relayed = await watched([[counted], [undefined], [counted, undefined], [counted]]);
    expect(relayed.summary).toBe(
      '30 relayed requests, 0 failed; the edge could not be asked at 2 of 4 looks',
    );
  });

  it('says so when nothing was relayed, nothing by this version, or too little', async () => {
    expect((await watched([[{}]])).summary).toBe('no relayed requests');
    const others = await watched([[{ others: of(200, 200) }]]);
    expect(others.summary).toBe('none of 200 relayed requests names this version');
    expect(others.complaint(0)).toBeUndefined();
    const few = await watched([[{ version: of(4, 0, 2), before: of(60, 0) }]]);
    expect(few.summary).toBe(
      '4 relayed requests, 0 failed (the version before: 0 of 60), fewer than the 5 that are judged by, 2 more say nothing of it',
    );
    const alone = await watched([[{ version: of(7, 0) }]]);
    expect(alone.summary).toBe('7 relayed requests, 0 failed, fewer than the 20 that are judged by');
  });
});

describe('a version whose relayed requests fail', () => {
  const bad = of(200, 60);

  it('is not blamed for what fails for the version before, too', async () => {
    const relayed = await watched([[{ version: bad, before: of(1_800, 540), others: of(100, 0) }]]);
    expect(relayed.complaint(0)).toBeUndefined();
  });

  it('is compared with the site’s other requests when the version before has none', async () => {
    expect((await watched([[{ version: bad, others: of(100, 30) }]])).complaint(0)).toBeUndefined();
    expect((await watched([[{ version: bad, others: of(100, 0) }]])).complaint(0)).toContain(
      '(the site’s other requests: 0 of 100)',
    );
  });

  it('is compared with the version before as it last was, too: what always fails is no news', async () => {
    const tally = { version: bad, others: of(100, 0) };
    const always = { percentage: 50, answered: 700, failed: 300 };
    expect((await watched([[tally]], { earlier: always })).complaint(0)).toBeUndefined();
    const seldom = { percentage: 50, answered: 1_000, failed: 0 };
    expect((await watched([[tally]], { earlier: seldom })).complaint(0)).toContain(
      'the version before, at 50 %: 0 of 1000',
    );
  });

  it('is judged alone when it has all traffic and there is nothing to compare with', async () => {
    const relayed = await watched([[{ version: bad }]]);
    expect(relayed.complaint(0.3)).toBeUndefined();
    expect(relayed.complaint(0.2)).toContain('there is nothing to compare with');
  });

  it('is not judged while those of the version before are still to come', async () => {
    const some = await watched([[{ version: bad, before: of(4, 0) }]], { hasBefore: true });
    expect(some.complaint(0)).toBeUndefined();
    const enough = await watched([[{ version: bad, before: of(60, 0) }]], { hasBefore: true });
    expect(enough.complaint(0)).toContain('the version before: 0 of 60');
  });

  it('is judged by five where the version before had twenty in the same time, and else by twenty', async () => {
    const few = await watched([[{ version: of(7, 7), before: of(94, 0) }]], { hasBefore: true });
    expect(few.complaint(0)).toContain('7 of 7 relayed requests of the new version failed');
    const earlier = { percentage: 50, answered: 1_000, failed: 0 };
    for (const given of [
      { version: of(4, 4), before: of(2_000, 0) },
      { version: of(19, 19), before: of(19, 0) },
      { version: of(19, 19), others: of(2_000, 0) },
      { version: of(19, 19) },
    ])
      expect((await watched([[given]], { earlier })).complaint(0)).toBeUndefined();
  });

  it('leaves to a later percentage what the version before had, if that was enough', async () => {
    const earlier = { percentage: 1, answered: 50, failed: 0 };
    expect((await watched([[{ before: of(10, 0) }]], { earlier })).compared).toEqual(earlier);
    const enough = await watched([[{ before: of(90, 3) }]], { earlier });
    expect(enough.compared).toEqual({ percentage: 10, answered: 87, failed: 3 });
  });
});
