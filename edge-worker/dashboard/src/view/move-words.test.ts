import { expect, it } from 'vitest';
import { event, move } from '../live/live.fixture.ts';
import { tell } from './event-words.ts';
import { directions, recent, sinceOf, stepOf, withMoves } from './move-words.ts';

it.each([
  [{}, 'vps-2 gets the config; the site works as before'],
  [
    { state: 'moving', heldAt: 2, waiting: 12 },
    'Requests to queued routes are stored and not sent; 12 requests wait',
  ],
  [
    { state: 'moving', heldAt: 2, waiting: 1 },
    'Requests to queued routes are stored and not sent; 1 request waits',
  ],
  [
    { state: 'moved', pausedMs: 1_420, receipts: 3 },
    'Done, stored requests waited 1.4 s; 3 requests crossed',
  ],
  [{ state: 'undoing', reason: 'no room' }, 'It is taken back: no room'],
  [{ state: 'undone', reason: 'no room' }, 'Taken back, the site works on vps: no room'],
] as const)('a move with %o is told as “%s”', (changes, words) => {
  expect(stepOf(move(1, changes))).toBe(words);
});

it('time counts from when requests were stored, not from when the move began', () => {
  expect(sinceOf(move(1))).toBe(1);
  expect(sinceOf(move(1, { state: 'moving', heldAt: 7, updatedAt: 9 }))).toBe(7);
  expect(sinceOf(move(1, { state: 'moved', heldAt: 7, updatedAt: 9 }))).toBe(9);
});

it('one that is under way is shown however long it takes, one that has ended for an hour', () => {
  const moves = [move(1), move(2, { state: 'moved' })];
  expect(recent(moves, 3_600_001)).toHaveLength(2);
  expect(recent(moves, 3_600_002)).toEqual([moves[0]]);
});

it('an evacuation is summed up by where its sites go', () => {
  const moves = [
    move(1),
    move(2, { state: 'moving', heldAt: 2 }),
    move(3, { state: 'moved' }),
    move(4, { state: 'undone' }),
    move(5, { to: 'vps-3' }),
  ];
  expect(directions(moves)).toEqual([
    { from: 'vps', to: 'vps-2', underWay: 2, held: 1, moved: 1, undone: 1 },
  ]);
});

it('its end stands among the events, once, in words', () => {
  const moved = move(5, { state: 'moved', pausedMs: 300 });
  const events = withMoves([event(9), event(4)], [moved, move(3, { state: 'moved' }), move(6)]);
  expect(events.map(({ receivedAt }) => receivedAt)).toEqual([9, 5, 4]);
  const [, end] = events;
  expect(end && tell(end).words).toBe('Moved vps → vps-2; stored requests waited 300 ms');
  expect(withMoves(events, [moved])).toBe(events);
});

it('one that was taken back is marked among the events, with the reason', () => {
  const [end] = withMoves([], [move(5, { state: 'undone', reason: 'no room' })]);
  expect(end && tell(end)).toEqual({
    words: 'The move vps → vps-2 was taken back: no room',
    trouble: true,
  });
});
