/** A site that is about to move, and what it has. */
import { runInDurableObject } from 'cloudflare:test';
import type { SqlRow } from '@clawdbot/protocol';
import { beforeAll, beforeEach } from 'vitest';
import { channelOf, stubOf, value } from '../channel.fixture.ts';
import { watchMoments } from './moments.fixture.ts';
import { Scene } from './scene.fixture.ts';
import type { Vps } from './vps.fixture.ts';

export let scene: Scene;
export let from: Vps;
export let to: Vps;
export let siteId = '';

/**
 * Each test of the file that says so has a scene of its own.
 * @param prefix the file's own: files share a D1
 */
export function ownScene(prefix: string): void {
  beforeAll(watchMoments);
  beforeEach(async () => {
    scene = await Scene.make(prefix);
    ({ from, to, siteId } = scene);
  });
}

/** What that orchestrator’s object has in its database. */
export const rows = (at: Vps, sql: string, ...values: (string | number)[]): Promise<SqlRow[]> =>
  runInDurableObject(stubOf(at.id), (_, { storage }) => storage.sql.exec<SqlRow>(sql, ...values).toArray());

/** Asked for where the site was. */
export const command = async (id: string) => value(await channelOf(from.id).command(id));

/** @returns the command’s id */
export const deploy = async (name: string, key?: string): Promise<string> => {
  const modules = { 'i.js': `export default {} // ${siteId} ${name}` };
  const payload = { name, mainModule: 'i.js', modules, compatibilityDate: '2026-01-01' };
  const given = { siteId, actor: 'op', payload, ...(key === undefined ? {} : { idempotencyKey: key }) };
  return value(await channelOf(from.id).deploy(given)).commandId;
};

/** What the orchestrator was sent, in its order. */
export const ordered = (vps: Vps): string[] => vps.ordered.map(({ commandId }) => commandId);
