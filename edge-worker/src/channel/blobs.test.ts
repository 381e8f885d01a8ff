import { runInDurableObject } from 'cloudflare:test';
import { BLOB_PART_BYTES } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { fresh } from '../edge.fixture.ts';
import { Blobs } from './blobs.ts';
import { stubOf } from './channel.fixture.ts';

it('a blob is whole for its command, though a move that was cancelled had brought a part of it', () =>
  runInDurableObject(stubOf(fresh('blobs')), (_, { storage }) => {
    const blobs = new Blobs(storage.sql);
    const bytes = new Uint8Array(BLOB_PART_BYTES + 1).fill(7);
    blobs.putPart('moved', { sha256: 'same', part: 0, bytes: bytes.slice(0, BLOB_PART_BYTES).buffer });
    blobs.put('own', 'same', bytes);
    blobs.release('moved');
    expect([0, 1].map((part) => blobs.part('same', part).length)).toEqual([BLOB_PART_BYTES, 1]);
    blobs.release('own');
    expect(() => blobs.part('same', 0)).toThrow('no part 0');
  }));
