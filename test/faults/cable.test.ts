import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { Cable } from './cable.ts';

/** A cable whose far end sends back what it gets. */
async function plugged(): Promise<{ cable: Cable; socket: Socket; heard: () => string }> {
  const server = createServer((far) => {
    far.on('error', () => far.destroy());
    far.pipe(far);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const cable = await Cable.open();
  cable.plugIn(address.port);
  const socket = connect(Number(new URL(cable.url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (bytes) => {
    text += String(bytes);
  });
  await once(socket, 'connect');
  onTestFinished(async () => {
    socket.destroy();
    await cable.close();
    server.close();
  });
  return { cable, socket, heard: () => text };
}

const hears = (heard: () => string, text: string) =>
  eventually(
    `it hears "${text}"`,
    async () => heard(),
    (got) => got === text,
  );

test('it carries both ways, and tells when the n-th piece has crossed', async () => {
  const { cable, socket, heard } = await plugged();
  const second = cable.crossed('down', 2, AbortSignal.timeout(5_000));
  socket.write('a');
  await hears(heard, 'a');
  socket.write('b');
  await second;
  await hears(heard, 'ab');
});

test('what was swallowed arrives when the cable is mended, in order', async () => {
  const { cable, socket, heard } = await plugged();
  socket.write('a');
  await hears(heard, 'a');
  cable.swallow();
  const crossed = cable.crossed('up', 1, AbortSignal.timeout(5_000));
  socket.write('b');
  cable.slow(20);
  cable.mend();
  await crossed;
  await hears(heard, 'ab');
});

test('a cut ends the connection', async () => {
  const { cable, socket, heard } = await plugged();
  socket.write('a');
  await hears(heard, 'a');
  const failed = once(socket, 'error');
  cable.cut();
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
});

test('a lane that is held is cut at each dial, and no other', async () => {
  const { cable, socket, heard } = await plugged();
  const dial = (lane: number) => `GET /channel?lane=${lane} HTTP/1.1`;
  socket.write(dial(0));
  await hears(heard, dial(0));
  cable.hold(1);
  socket.write('x');
  await hears(heard, `${dial(0)}x`);
  const failed = once(socket, 'error');
  socket.write(dial(1));
  expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
});
