import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { BLOB_PART_BYTES } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { createCipher } from '../cipher.ts';
import { Parcels } from './parcels.ts';

let count = 0;
const keyOf = (byte: number) => btoa(String.fromCharCode(...new Uint8Array(32).fill(byte)));
const withSql = (test: (sql: SqlStorage) => Promise<void>) =>
  runInDurableObject(env.CHANNEL.getByName(`parcels-${++count}/0`), (_, { storage }) => test(storage.sql));

it('a parcel of several parts comes back as it was, and is gone when it is dropped', () =>
  withSql(async (sql) => {
    const parcels = new Parcels(sql, createCipher(keyOf(1)));
    const parcel = Uint8Array.from({ length: 2 * BLOB_PART_BYTES + 5 }, (_, at) => at % 251);
    parcels.put('a', await parcels.seal('a', parcel));
    expect(await parcels.whole('a', parcel.length)).toEqual(parcel);
    expect((await parcels.part('a', 2)).length).toBe(5);
    parcels.drop('a');
    await expect(parcels.part('a', 0)).rejects.toMatchObject({ code: 'blob_missing' });
  }));

it('without a key nothing is stored, and what another key has sealed is missing', () =>
  withSql(async (sql) => {
    const parcels = new Parcels(sql, createCipher(keyOf(1)));
    parcels.put('a', await parcels.seal('a', Uint8Array.of(1)));
    const [without, other] = [createCipher(undefined), createCipher(keyOf(2))];
    await expect(new Parcels(sql, without).seal('b', Uint8Array.of(1))).rejects.toMatchObject({
      code: 'storage_failed',
    });
    await expect(new Parcels(sql, other).part('a', 0)).rejects.toMatchObject({ code: 'blob_missing' });
  }));

it('a part in another receipt’s place is not opened', () =>
  withSql(async (sql) => {
    const parcels = new Parcels(sql, createCipher(keyOf(1)));
    parcels.put('b', await parcels.seal('a', Uint8Array.of(1)));
    await expect(parcels.part('b', 0)).rejects.toMatchObject({ code: 'blob_missing' });
  }));
