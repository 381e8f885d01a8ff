import { expect, it } from 'vitest';
import { tagWith } from './tag.fixture.ts';

const saying =
  (consent: string, etag = '"1"') =>
  () =>
    Response.json({ tag: { consent }, other: 1 }, { headers: { etag } });
const away = () => {
  throw new TypeError('refused');
};
type Tag = ReturnType<typeof tagWith>;
const consent = async (tag: Tag) => {
  const { settings } = await (await tag.ask('/health')).json<{ settings: { consent: string } }>();
  await tag.settle();
  return settings.consent;
};

it('the config’s public part goes before the variable, and the variable holds where it says nothing', async () => {
  expect(await consent(tagWith({ consent: 'required', edge: saying('implied') }))).toBe('implied');
  expect(await consent(tagWith({ consent: 'implied' }))).toBe('implied');
  expect(await consent(tagWith({ consent: 'implied', edge: saying('nonsense') }))).toBe('implied');
});

it('the edge is asked every few seconds, not for each visitor, and with the ETag of what is known', async () => {
  const tag = tagWith({ edge: saying('implied') });
  await consent(tag);
  tag.world.now += 1_000;
  await consent(tag);
  expect(tag.asked.edge.map(({ headers }) => headers.get('if-none-match'))).toEqual([null]);
  tag.world.edge = () => new Response(null, { status: 304 });
  tag.world.now += 2_000;
  expect(await consent(tag)).toBe('implied');
  expect(tag.asked.edge.map(({ headers }) => headers.get('if-none-match'))).toEqual([null, '"1"']);
});

it('an edit is followed: the visitor after the next has it, or the next when nobody came for a while', async () => {
  const tag = tagWith({ edge: saying('implied') });
  await consent(tag);
  tag.world.edge = saying('required', '"2"');
  tag.world.now += 3_000;
  expect(await consent(tag)).toBe('implied');
  expect(await consent(tag)).toBe('required');
  tag.world.edge = saying('implied', '"3"');
  tag.world.now += 6_000;
  expect(await consent(tag)).toBe('implied');
});

it('while the edge is away, what is known holds: in this isolate, and in one that begins', async () => {
  const tag = tagWith({ edge: saying('implied') });
  await consent(tag);
  tag.world.edge = away;
  tag.world.now += 3_600_000;
  expect(await consent(tag)).toBe('implied');
  tag.restart();
  expect(await consent(tag)).toBe('implied');
});

it('an edge that is away, or fails, delays one visitor in a few seconds', async () => {
  for (const edge of [away, () => new Response('', { status: 500 })]) {
    const tag = tagWith({ edge });
    expect(await consent(tag)).toBe('required');
    expect(await consent(tag)).toBe('required');
    expect(tag.asked.edge.length).toBe(1);
    tag.world.now += 6_000;
    tag.world.edge = saying('implied');
    expect(await consent(tag)).toBe('implied');
  }
});
