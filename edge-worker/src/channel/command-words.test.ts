import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';
import { listCommands } from '../data/commands.ts';
import { channelOf, entry, Peer, value } from './channel.fixture.ts';
import { CommandFacts } from './command-facts.ts';
import { CommandNews } from './command-news.ts';
import { Commands } from './commands.ts';
import { withObject } from './object.fixture.ts';
import { migrate } from './store.ts';

const deployment = {
  siteId: 'shop',
  actor: 'op',
  payload: {
    name: 'hello',
    mainModule: 'i.js',
    modules: { 'i.js': 'export default {}' },
    compatibilityDate: '2026-01-01',
  },
};
const edit = (base: number) => ({
  siteId: 'shop',
  actor: 'op',
  payload: { base, patch: { worker: { vars: { N: `${base}` } } } },
});

async function site(vps: string): Promise<void> {
  value(await channelOf(vps).putSite('shop', { paused: false, orgId: `org-of-${vps}` }));
}

/** What D1 shows, newest first. */
const listed = async (vps: string) =>
  (await listCommands(env.DB, `org-of-${vps}`, { limit: 10 })).items.map(
    ({ subject, state, reason, error }) => ({ subject, state, reason, error: error?.message }),
  );

it('a command says what it is about, and why it was cancelled, wherever it is shown', async () => {
  const vps = 'words-1';
  await site(vps);
  const first = value(await channelOf(vps).updateConfig(edit(0)));
  value(await channelOf(vps).updateConfig(edit(1)));
  value(await channelOf(vps).deploy(deployment));
  expect(value(await channelOf(vps).command(first.commandId))).toMatchObject({
    subject: 'generation 1',
    state: 'cancelled',
    reason: 'superseded',
  });
  await expect
    .poll(() => listed(vps), { timeout: 5_000 })
    .toEqual([
      { subject: 'hello', state: 'queued', reason: undefined, error: undefined },
      { subject: 'generation 2', state: 'queued', reason: undefined, error: undefined },
      { subject: 'generation 1', state: 'cancelled', reason: 'superseded', error: undefined },
    ]);
});

it('a failure’s reason is its error, and not said twice', async () => {
  const vps = 'words-2';
  await site(vps);
  const { commandId } = value(await channelOf(vps).deploy(deployment));
  const peer = await Peer.connect(vps, {}, `org-of-${vps}`);
  const error = { code: 'cloudflare_refused', message: 'no such account' };
  peer.send(entry(1, { type: 'command_result', commandId, at: 1, state: 'failed', error }));
  await peer.next('ack');
  const command = value(await channelOf(vps).command(commandId));
  expect(command).toMatchObject({ state: 'failed', error });
  expect(command).not.toHaveProperty('reason');
  expect(command.history.at(-1)).toMatchObject({ state: 'failed', reason: 'no such account' });
  await expect
    .poll(() => listed(vps), { timeout: 5_000 })
    .toEqual([{ subject: 'hello', state: 'failed', reason: undefined, error: 'no such account' }]);
});

it('dashboards are told the same', () =>
  withObject(({ sql, orchestratorId, clock }) => {
    const commands = new Commands(sql, orchestratorId, () => clock.now);
    const given = { siteId: 'shop', seq: 1, requestDigest: '', actor: 'op' };
    commands.insert({ ...given, id: 'cmd_1', type: 'deploy_worker', subject: 'hello' });
    commands.move('cmd_1', 'expired', clock.now, { reason: 'it was not delivered in time' });
    expect(new CommandNews(sql, orchestratorId).all()).toMatchObject([
      { subject: 'hello', state: 'expired', reason: 'it was not delivered in time' },
    ]);
  }));

it('of commands that are older than this, the generation and the reason are found, and told to D1', () =>
  withObject(({ sql, meta, orchestratorId, clock }) => {
    for (const column of ['subject', 'reason']) sql.run(`ALTER TABLE commands DROP COLUMN ${column}`);
    for (const column of ['note', 'command_id', 'applied_at', 'failures', 'failed_at', 'error'])
      sql.run(`ALTER TABLE configs DROP COLUMN ${column}`);
    for (const column of ['runs_generation', 'runs_digest'])
      sql.run(`ALTER TABLE sites DROP COLUMN ${column}`);
    const newer = [
      ...['receipts', 'parcels', 'stale_answers', 'worker_vars', 'deployments'],
      ...['departures', 'arrivals', 'moved_receipts', 'held_commands', 'moved_commands', 'revoked_keys'],
    ];
    for (const table of newer) sql.run(`DROP TABLE ${table}`);
    meta.set('schema', 4);
    const older = (id: string, type: string, state: string, generation: number | null) => {
      sql.run(
        `INSERT INTO commands (id, type, site_id, state, seq, generation, request_digest, created_by, created_at,
           updated_at, projected) VALUES (?, ?, 'shop', ?, 1, ?, '', 'op', 1, 1, 1)`,
        id,
        type,
        state,
        generation,
      );
      sql.run(`INSERT INTO command_history VALUES (?, 1, 'state', 'queued', 1, 'by op')`, id);
    };
    older('cmd_1', 'update_config', 'cancelled', 7);
    sql.run(`INSERT INTO command_history VALUES ('cmd_1', 2, 'state', 'cancelled', 1, 'superseded')`);
    older('cmd_2', 'update_config', 'queued', 8);
    older('cmd_3', 'deploy_worker', 'succeeded', null);
    migrate(sql);
    const commands = new Commands(sql, orchestratorId, () => clock.now);
    expect(new CommandFacts(sql).unprojected(10)).toMatchObject([
      { id: 'cmd_1', subject: 'generation 7', reason: 'superseded' },
      { id: 'cmd_2', subject: 'generation 8', reason: null },
    ]);
    expect(commands.get('cmd_3').subject).toBe('');
  }));
