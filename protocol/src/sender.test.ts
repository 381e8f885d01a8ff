import { describe, expect, it } from 'vitest';
import { decodeChunk } from './chunk.ts';
import { BATCH_BYTES_MAX, BODY_CHUNK_BYTES_MAX } from './limits.ts';
import { afterMicrotasks } from './microtasks.ts';
import { FrameSender } from './sender.ts';

function rig() {
  const sent: (string | Uint8Array)[] = [];
  const turn: (() => void)[] = [];
  const wire = {
    sendText: (text: string) => void sent.push(text),
    sendBytes: (bytes: Uint8Array) => void sent.push(bytes),
    close: () => undefined,
  };
  const sender = new FrameSender<string>(
    wire,
    (frame) => `"${frame}"`,
    (task) => void turn.push(task),
  );
  const endTurn = () => {
    for (const task of turn.splice(0)) task();
  };
  return { sender, sent, endTurn };
}

describe('the sender', () => {
  it('F1: frames of one turn leave in one message, in order', () => {
    const { sender, sent, endTurn } = rig();
    sender.push('a');
    sender.push('b');
    expect(sent).toEqual([]);
    endTurn();
    expect(sent).toEqual(['["a","b"]']);
    endTurn();
    expect(sent).toHaveLength(1);
  });

  it('F1: frames of one event leave behind it, without a turn', async () => {
    const { sender, sent, endTurn } = rig();
    sender.push('a');
    sender.pushSoon('b');
    await Promise.resolve();
    sender.pushSoon('c');
    expect(sent).toEqual([]);
    await afterMicrotasks();
    expect(sent).toEqual(['["a","b","c"]']);
    endTurn();
    expect(sent).toHaveLength(1);
  });

  it('F1: a frame that is to leave at once takes along what waited, and never overtakes it', () => {
    const { sender, sent, endTurn } = rig();
    sender.push('a');
    sender.pushNow('b');
    expect(sent).toEqual(['["a","b"]']);
    endTurn();
    expect(sent).toHaveLength(1);
  });

  it('a body follows the frames given before it', () => {
    const { sender, sent } = rig();
    sender.push('head');
    sender.pushBody(2, new Uint8Array(BODY_CHUNK_BYTES_MAX + 9));
    expect(sent[0]).toBe('["head"]');
    expect(sent.slice(1).map((bytes) => decodeChunk(bytes as Uint8Array).bytes.length)).toEqual([
      BODY_CHUNK_BYTES_MAX,
      9,
    ]);
  });

  it('F4: a message never grows past the batch limit', () => {
    const { sender, sent, endTurn } = rig();
    for (let count = 0; count < 3; count++) sender.push('x'.repeat(BATCH_BYTES_MAX / 2));
    endTurn();
    expect(sent).toHaveLength(3);
  });
});
