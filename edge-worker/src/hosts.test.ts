import { describe, expect, it } from 'vitest';
import { CONSOLE, edge, RELAY } from './edge.fixture.ts';
import { addressOf, hostnameOf, originOf } from './hosts.ts';

describe('an address', () => {
  it.each<[string, string, string]>([
    ['http://LocalHost:8787/s/x/a/../b', 'localhost:8787', '/s/x/a/../b'],
    ['http://h/s/x//%2e%2e/%2F?', 'h', '/s/x//%2e%2e/%2F?'],
    ['http://h//s/x?a=%zz&a=//', 'h', '//s/x?a=%zz&a=//'],
    ['http://h?x=1', 'h', '/?x=1'],
    ['http://h', 'h', '/'],
    ['http://[::1]:8787/a', '[::1]:8787', '/a'],
    ['http://h:1*', 'h:1*', '/'],
  ])('%s keeps its target byte by byte', (url, host, target) => {
    expect(addressOf(url)).toEqual({ protocol: 'http', host, url: target });
  });

  it('names an origin by host and port, and a site by its host name alone', () => {
    const hosts = { console: '127.0.0.1:8787', relay: 'localhost:8787' };
    expect(originOf('127.0.0.1:8787', hosts)).toBe('console');
    expect(originOf('localhost:8787', hosts)).toBe('relay');
    expect(originOf('localhost', hosts)).toBe('other');
    expect(hostnameOf('shop.example.com.')).toBe('shop.example.com');
    expect(hostnameOf('shop.example.com:8787')).toBe('shop.example.com');
    expect(hostnameOf('[::1]:8787')).toBe('[::1]');
  });
});

describe('only what belongs to an origin is served there', () => {
  const status = async (url: string, init?: RequestInit) => (await edge(url, init)).status;

  it('the console has health and API', async () => {
    const health = await edge(`${CONSOLE}/health`);
    expect(await health.json()).toEqual({ status: 'healthy', version: '0.1.0' });
    expect(await status(`${CONSOLE}/api/v1/openapi.json`)).toBe(200);
  });

  it('the console does not relay', async () => {
    expect(await status(`${CONSOLE}/s/demo/`)).toBe(404);
  });

  it.each([
    '/health',
    '/api/v1/openapi.json',
    '/api/v1/sites',
    '/channel',
    '/live',
    '/',
    '/s',
    '/s/',
    '/s/Not_An_Id/',
  ])('the relay has no %s', async (path) => {
    const response = await edge(`${RELAY}${path}`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({
      code: 'not_found',
      detail: 'Nothing answers at this address.',
    });
  });

  it('an unknown Host has nothing', async () => {
    for (const path of ['/', '/health', '/s/demo/', '/api/v1/openapi.json']) {
      expect(await status(`https://unknown.example.net${path}`)).toBe(404);
    }
  });

  it('a Host header is told from another by its port', async () => {
    expect(await status(`${CONSOLE}:8443/health`)).toBe(404);
  });

  it('the console answers to its name in any case', async () => {
    expect(await status('https://Console.Example.COM/health')).toBe(200);
  });
});
