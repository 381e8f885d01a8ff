import { runInDurableObject } from 'cloudflare:test';
import { type Failure, SECRETS_PER_SITE_MAX } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { createCipher } from '../cipher.ts';
import { channelOf, helloOf, Peer, stubOf, value } from './channel.fixture.ts';
import { Configs } from './configs.ts';
import { Secrets } from './secrets.ts';
import { Meta, objectSql } from './store.ts';

const KEY = btoa('k'.repeat(32));

/** The secrets of one object over its real SQLite, sealed with a key of the test's. */
const withSecrets = (
  name: string,
  test: (open: (key: string) => Secrets, configs: Configs) => Promise<void>,
) =>
  runInDurableObject(stubOf(name), async (_object, { storage }) => {
    const sql = objectSql(storage);
    const configs = new Configs(sql);
    configs.put('shop', false);
    const parts = { sql, storage: storage.sql, meta: new Meta(sql), configs, orgId: () => 'org-1' };
    await test((key) => new Secrets({ ...parts, cipher: createCipher(key), now: () => 5 }), configs);
  });

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    ({ code, message }: Failure) => ({ code, message }),
  );

describe('secrets', () => {
  it('are not kept without a key, and the failure says what to set', () =>
    withSecrets('no-key', async (open) => {
      const failure = await failureOf(open('').put('shop', 'key', 'x', 'op'));
      expect(failure).toEqual({
        code: 'secret_missing',
        message: expect.stringMatching(/SECRETS_KEY: expected 32 bytes in base64/),
      });
      expect(open(KEY).list('shop')).toEqual([]);
    }));

  it('of another key are to be set again', () =>
    withSecrets('other-key', async (open) => {
      await open(KEY).put('shop', 'key', 'x', 'op');
      const other = open(btoa('o'.repeat(32)));
      expect(await failureOf(other.get('shop', 'key'))).toEqual({
        code: 'secret_missing',
        message: expect.stringMatching(/another SECRETS_KEY: clawctl secrets set shop key$/),
      });
      expect(await other.put('shop', 'key', 'y', 'op')).toBe(false);
      expect((await other.get('shop', 'key')).value).toBe('y');
    }));

  it('are refused beyond what one site may have, and may still be changed', () =>
    withSecrets('full', async (open) => {
      const secrets = open(KEY);
      for (let n = 0; n < SECRETS_PER_SITE_MAX; n++) await secrets.put('shop', `key-${n}`, 'x', 'op');
      expect(await failureOf(secrets.put('shop', 'one-more', 'x', 'op'))).toMatchObject({ code: 'conflict' });
      expect(await secrets.put('shop', 'key-7', 'y', 'op')).toBe(false);
    }));

  it('of a site that is removed while one is sealed are not written', () =>
    withSecrets('removed', async (open, configs) => {
      const putting = failureOf(open(KEY).put('shop', 'key', 'x', 'op'));
      configs.remove('shop');
      expect(await putting).toMatchObject({ code: 'not_found' });
      configs.put('shop', false);
      expect(open(KEY).list('shop')).toEqual([]);
    }));
});

describe('PROTOCOL C12: get_secret', () => {
  it('is not answered on a session that is not the newest', async () => {
    value(await channelOf('vps-c8').putSite('shop', { paused: false, orgId: 'org-1' }));
    const secret = { siteId: 'shop', name: 'key', value: 'x', actor: 'op' };
    expect(value(await channelOf('vps-c8').putSecret(secret))).toBe(true);
    const older = await Peer.connect('vps-c8');
    older.send({ type: 'drain', reason: 'a newer one comes' });
    const { generation } = helloOf('vps-c8');
    const newer = await Peer.connect('vps-c8', { generation: generation + 1, instanceId: 'process-b' });
    older.send({ type: 'get_secret', id: 1, siteId: 'shop', name: 'key' });
    newer.send({ type: 'get_secret', id: 1, siteId: 'shop', name: 'key' });
    expect(await older.next('error')).toMatchObject({ id: 1, error: { code: 'conflict' } });
    expect(await newer.next('secret')).toMatchObject({ id: 1, value: 'x' });
  });

  it('is not answered before hello', async () => {
    const peer = await Peer.dial('vps-c8-early');
    if (peer instanceof Response) throw new Error('refused');
    peer.send({ type: 'get_secret', id: 1, siteId: 'shop', name: 'key' });
    expect(await peer.closed()).toEqual({ code: 4400, reason: 'get_secret before hello' });
  });

  it('is answered on lane 0 alone', async () => {
    await Peer.connect('vps-c8-lanes', { lanes: 2 });
    const peer = await Peer.join('vps-c8-lanes', 1);
    peer.send({ type: 'get_secret', id: 1, siteId: 'shop', name: 'key' });
    expect(await peer.next('error')).toMatchObject({ id: 1, error: { code: 'bad_request' } });
  });
});
