import { expect, onTestFinished, test } from 'vitest';
import { freePorts, temporaryDir } from './fixture.ts';
import { shut } from './listen.ts';
import { choosePorts, hasLoopbackV6, listenOnLoopback } from './ports.ts';

async function take(port: number) {
  const servers = await listenOnLoopback(port, (_, response) => void response.end('taken'));
  onTestFinished(async () => void (await Promise.all(servers.map(shut))));
}

test('the wanted port is used when it is free', async () => {
  const { edge } = await freePorts();
  expect((await choosePorts(temporaryDir(), { edge }, Math.random)).ports.edge).toBe(edge);
});

test('a port that is taken is left alone', async () => {
  const { edge } = await freePorts();
  await take(edge);
  expect((await choosePorts(temporaryDir(), { edge }, Math.random)).ports.edge).not.toBe(edge);
});

test('a port taken on ::1 alone counts as taken', async ({ skip }) => {
  if (!(await hasLoopbackV6())) skip('this machine has no IPv6');
  const { edge } = await freePorts();
  const servers = await listenOnLoopback(edge, () => undefined);
  await Promise.all(servers.slice(0, 1).map(shut));
  onTestFinished(async () => void (await Promise.all(servers.slice(1).map(shut))));
  expect((await choosePorts(temporaryDir(), { edge }, Math.random)).ports.edge).not.toBe(edge);
});

test('the same folder gets the same ports again', async () => {
  const dir = temporaryDir();
  const first = await choosePorts(dir, {}, Math.random);
  const second = await choosePorts(dir, {}, Math.random);
  expect(first.before).toBeUndefined();
  expect(second).toEqual({ ports: first.ports, before: first.ports });
});

test('no two parts share a port', async () => {
  let draws = 0;
  const everyPortTwice = () => (Math.floor(draws++ / 2) % 100) / 100;
  const ports = Object.values((await choosePorts(temporaryDir(), {}, everyPortTwice)).ports);
  expect(new Set(ports).size).toBe(ports.length);
});
