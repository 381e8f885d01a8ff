import { describe, expect, it } from 'vitest';
import { command, event, move, snapshot, update } from './live.fixture.ts';
import { ENDED_COMMANDS_MAX, EVENTS_MAX, pictureOf, withUpdate } from './picture.ts';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);

describe('the picture', () => {
  it('shows open commands first, oldest first, then those that ended, the last one first', () => {
    const picture = pictureOf(
      snapshot(1, {
        commands: [
          command(3, 'running'),
          command(1, 'failed'),
          command(2, 'queued'),
          command(4, 'succeeded'),
        ],
      }),
    );
    expect(picture.commands.map(({ createdAt }) => createdAt)).toEqual([2, 3, 4, 1]);
  });

  it('moves a command when it ends', () => {
    const picture = pictureOf(snapshot(1, { commands: [command(1, 'running'), command(2, 'queued')] }));
    const { commands } = withUpdate(picture, update(2, { commands: [command(1, 'succeeded')] }));
    expect(commands.map(({ state }) => state)).toEqual(['queued', 'succeeded']);
  });

  it('shows moves under way first, and one with its end when that comes', () => {
    const picture = pictureOf(snapshot(1, { moves: [move(1, { state: 'moved' }), move(3), move(2)] }));
    expect(picture.moves.map(({ createdAt }) => createdAt)).toEqual([2, 3, 1]);
    const end = move(3, { state: 'undone', updatedAt: 9 });
    const { moves } = withUpdate(picture, update(2, { moves: [end] }));
    expect(moves.map(({ state }) => state)).toEqual(['preparing', 'undone', 'moved']);
  });

  it('shows each event once, newest first', () => {
    const picture = pictureOf(snapshot(1, { events: [event(1), event(2)] }));
    const { events } = withUpdate(picture, update(2, { events: [event(2), event(3), event(4)] }));
    expect(events.map(({ receivedAt }) => receivedAt)).toEqual([4, 3, 2, 1]);
  });

  it('keeps a bounded tail of events and of ended commands, and every open command', () => {
    let picture = pictureOf(snapshot(1));
    for (const n of numbers(EVENTS_MAX * 2)) {
      const commands = [command(n, 'succeeded'), command(100_000 + n, 'queued')];
      picture = withUpdate(picture, update(n + 1, { events: [event(n)], commands }));
    }
    expect(picture.events).toHaveLength(EVENTS_MAX);
    expect(picture.events[0]?.receivedAt).toBe(EVENTS_MAX * 2);
    expect(picture.commands).toHaveLength(EVENTS_MAX * 2 + ENDED_COMMANDS_MAX);
  });
});
