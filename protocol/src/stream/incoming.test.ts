import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { STREAM_OPENING_BYTES, STREAM_WINDOW_BYTES, STREAMS_HELD_BYTES_MAX } from '../limits.ts';
import { IncomingBody } from './incoming.ts';
import { Windows } from './window.ts';

function rig(windows = new Windows()) {
  let granted = STREAM_OPENING_BYTES;
  const abandoned = vi.fn();
  const body = new IncomingBody({ windows, grant: (bytes) => (granted += bytes), abandoned });
  return { body, windows, abandoned, granted: () => granted };
}

describe('PROTOCOL: bodies that come in', () => {
  it('C8: more than was granted is malformed', () => {
    const { body } = rig();
    body.push(new Uint8Array(STREAM_OPENING_BYTES));
    expect(() => body.push(new Uint8Array(1))).toThrow('beyond its credit');
  });

  it('C8: what is read is granted again, up to the window', async () => {
    const { body, granted } = rig();
    body.push(new Uint8Array(STREAM_OPENING_BYTES));
    expect(granted()).toBe(STREAM_OPENING_BYTES);
    await body.next();
    expect(granted()).toBe(STREAM_OPENING_BYTES + STREAM_WINDOW_BYTES);
  });

  it('a reader gets what came before the end, then the end', async () => {
    const { body } = rig();
    const first = body.next();
    body.push(Uint8Array.of(1));
    body.push(Uint8Array.of(2));
    body.end();
    expect([await first, await body.next(), await body.next()]).toEqual([
      Uint8Array.of(1),
      Uint8Array.of(2),
      undefined,
    ]);
  });

  it('a reader of a body that breaks off is told', async () => {
    const { body } = rig();
    const waiting = body.next();
    body.fail(new Error('the upstream died'));
    await expect(waiting).rejects.toThrow('the upstream died');
    await expect(body.next()).rejects.toThrow('the upstream died');
  });

  it('its sender is told when its reader has gone before the end, once', async () => {
    const { body, abandoned } = rig();
    body.push(Uint8Array.of(1));
    for await (const _ of body) break;
    body.abandon();
    expect(abandoned).toHaveBeenCalledTimes(1);
    const whole = rig();
    whole.body.end();
    for await (const _ of whole.body);
    expect(whole.abandoned).not.toHaveBeenCalled();
  });

  it('C8: however many readers stall, what they may hold stays below the limit', async () => {
    const windows = new Windows();
    let held = 0;
    for (let stalled = 0; stalled < 300; stalled++) {
      const { body, granted } = rig(windows);
      body.push(new Uint8Array(STREAM_OPENING_BYTES));
      await body.next();
      held += granted() - STREAM_OPENING_BYTES;
    }
    expect(held).toBeLessThanOrEqual(STREAMS_HELD_BYTES_MAX + 300 * STREAM_OPENING_BYTES);
  });
});

it('C8: a window never exceeds its size, and comes back whole when its streams end', async () => {
  const piece = fc.integer({ min: 1, max: STREAM_OPENING_BYTES });
  const step = fc.oneof(piece, fc.constant('read' as const), fc.constant('fail' as const));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), step), { maxLength: 60 }), async (steps) => {
      const windows = new Windows();
      const rigs = [rig(windows), rig(windows), rig(windows)];
      const sent = [0, 0, 0];
      const unread = [0, 0, 0];
      for (const [at, what] of steps) {
        const { body, granted } = rigs[at] ?? rig();
        if (what === 'fail') body.abandon();
        else if (what === 'read') {
          if ((unread[at] ?? 0) > 0)
            unread[at] = (unread[at] ?? 0) - ((await body.next())?.length ?? unread[at] ?? 0);
        } else if ((sent[at] ?? 0) + what <= granted()) {
          body.push(new Uint8Array(what));
          sent[at] = (sent[at] ?? 0) + what;
          unread[at] = (unread[at] ?? 0) + what;
        }
        expect(granted() - (sent[at] ?? 0) + (unread[at] ?? 0)).toBeLessThanOrEqual(2 * STREAM_WINDOW_BYTES);
      }
      for (const { body } of rigs) body.abandon();
      expect(windows.size).toBe(new Windows().size);
      windows.changed(0, STREAMS_HELD_BYTES_MAX + STREAM_OPENING_BYTES);
      expect(windows.size).toBe(STREAM_OPENING_BYTES);
    }),
    { numRuns: 60 },
  );
});
