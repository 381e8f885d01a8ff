import { describe, expect, it } from 'vitest';
import { DEFAULT_ALLOW, parseAllow } from './allow.ts';

describe('the list of upstreams', () => {
  it.each([
    [DEFAULT_ALLOW, 'http://127.0.0.1:9000', true],
    [DEFAULT_ALLOW, 'http://localhost/base', true],
    [DEFAULT_ALLOW, 'https://localhost:1', false],
    [DEFAULT_ALLOW, 'http://169.254.169.254/latest', false],
    [DEFAULT_ALLOW, 'http://127.0.0.1.evil.example', false],
    [DEFAULT_ALLOW, 'http://localhost@evil.example/', false],
    [DEFAULT_ALLOW, 'http://2130706433:8080/', true],
    ['https://api.example.com', 'https://api.example.com/v1', true],
    ['https://api.example.com', 'https://api.example.com:443/v1', true],
    ['https://api.example.com', 'https://api.example.com:8443/v1', false],
    ['https://api.example.com', 'http://api.example.com/v1', false],
    ['n8n:5678', 'http://n8n:5678/hook', true],
    ['n8n:5678', 'https://N8N:5678/hook', true],
    ['n8n:5678', 'http://n8n:5679/hook', false],
    ['a:1, [::1]:*', 'http://[::1]:99/', true],
    ['a:1', 'ftp://a:1/', false],
    ['', 'http://127.0.0.1', false],
  ])('"%s" and %s: %s', (list, upstream, allowed) => {
    expect(parseAllow(list).allows(upstream)).toBe(allowed);
  });

  it.each(['localhost', 'http://a:b', 'ftp://a:1', 'http://a/path', '*', 'http://*:80', 'a:1,http://u@b'])(
    'refuses the entry "%s", and names it',
    (list) => {
      expect(() => parseAllow(list)).toThrow(/is neither an origin nor host:port/);
    },
  );
});
