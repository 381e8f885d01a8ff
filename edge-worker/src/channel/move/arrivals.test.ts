import { it } from 'vitest';
import { channelOf, value } from '../channel.fixture.ts';
import { from, ownScene, rows, scene, to } from './luggage.fixture.ts';
import { becomes } from './scene.fixture.ts';

ownScene('arrivals');

it('a request that comes when its site is in order there already is let go of, too', async () => {
  await to.connect();
  const id = await scene.post(from, 'one');
  const [receipt] = await rows(from, `SELECT * FROM receipts WHERE id = ?`, id);
  const moveId = 'move_nobody_0000000000000000';
  const say = async (message: object) =>
    value(
      await channelOf(to.id).arrival({ moveId, ...message } as Parameters<
        ReturnType<typeof channelOf>['arrival']
      >[0]),
    );
  const offer = { siteId: 'lost', source: 'nobody', actor: 'op', orgId: scene.orgId };
  await say({ is: 'offer', ...offer, paused: false, generation: 0, runs: 0 });
  await say({ is: 'own' });
  await becomes(async () => (await rows(to, `SELECT state FROM arrivals`))[0]?.['state'], 'here');
  await say({ is: 'receipts', receipts: [{ receipt: { ...receipt, site_id: 'lost' }, parts: [] }] });
  await becomes(() => to.got.map(({ receiptId }) => receiptId), [id]);
});
