import { describe, expect, it } from 'vitest';
import { until } from './edge.fixture.ts';
import { answers, edge, ownEdge, reached, started } from './link.fixture.ts';
import { request } from './session.fixture.ts';

ownEdge();

describe('Link: drains', () => {
  it('S10: redials when the edge drains, and the old socket still answers what is open', async () => {
    const { link } = started();
    const old = await edge.welcomed(0);
    old.send(request(2));
    await until('the call', () => answers.length > 0);
    old.send({ type: 'drain', reason: 'an edge deploy', retryAfterMs: 1 });
    await edge.welcomed(1);
    await until('the new session', () => link.state.value.kind === 'open');
    expect(old.closed).toBeUndefined();
    answers[0]?.({ status: 204 });
    expect(await old.frame('response')).toMatchObject({ id: 2, status: 204 });
    await until('the end of the old socket', () => old.closed === 4412);
  });

  it('S14: a call that the edge sent on the old socket before it knew of the new one is answered', async () => {
    const { link } = started();
    const old = await edge.welcomed(0);
    old.send({ type: 'drain', reason: '12 h', retryAfterMs: 1 });
    await edge.welcomed(1);
    await until('the new session', () => link.state.value.kind === 'open');
    old.send(request(2));
    await until('the call', () => answers.length > 0);
    answers[0]?.({ status: 204 });
    expect(await old.frame('response')).toMatchObject({ id: 2, status: 204 });
    await until('the end of the old socket', () => old.closed === 4412);
  });

  it('S10: an old socket with nothing open ends soon after the new one is open', async () => {
    started();
    const old = await edge.welcomed(0);
    old.send({ type: 'drain', reason: 'an edge deploy', retryAfterMs: 1 });
    await edge.socket(1);
    expect(old.closed).toBeUndefined();
    await edge.welcomed(1);
    await until('the end of the old socket', () => old.closed === 4412);
  });

  it('S10: a stop asks for nothing new, lets open calls finish, and closes with 1001', async () => {
    const { link } = started();
    const socket = await edge.welcomed(0);
    socket.send(request(2));
    await until('the call', () => answers.length > 0);
    const stopped = link.stop(5_000);
    await socket.frame('drain');
    answers[0]?.({ status: 200 });
    await stopped;
    await socket.frame('response');
    await until('the close', () => socket.closed === 1001);
    await until('the end of the loop', () => link.state.value.kind === 'stopped');
  });

  it('a stop ends a dial that hangs, and a wait', async () => {
    edge.refusals.push({ code: 'overloaded', retryAfterMs: 60_000 });
    const { link } = started();
    await reached(link, 'waiting');
    await link.stop(5_000);
    await until('the end of the loop', () => link.state.value.kind === 'stopped');
  });
});
