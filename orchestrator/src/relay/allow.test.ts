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

  it.each([
    // Nobody outside can give these names an address.
    ['n8n:5678', 'n8n', '172.18.0.4', true],
    ['localhost:*', 'localhost', '127.0.0.1', true],
    ['localhost:*', 'localhost', '::1', true],
    ['http://host.docker.internal:*', 'host.docker.internal', '172.17.0.1', true],
    ['http://metadata.google.internal', 'metadata.google.internal', '169.254.169.254', false],
    ['n8n:5678', 'n8n', '0.0.0.0', false],
    // Whoever owns one of these may point it anywhere.
    ['https://api.example.com', 'api.example.com', '203.0.113.7', true],
    ['https://api.example.com', 'API.example.com', '2606:4700::1', true],
    ['https://api.example.com', 'api.example.com', '127.0.0.1', false],
    ['https://api.example.com', 'api.example.com', '10.0.0.5', false],
    ['https://api.example.com', 'api.example.com', '169.254.169.254', false],
    ['https://evil-internal', 'x.evil-internal', '10.0.0.5', false],
    // Where the operator says so.
    ['crm.example.com:443=10.0.0.0/8', 'crm.example.com', '10.1.2.3', true],
    ['crm.example.com:443=10.0.0.0/8', 'crm.example.com', '192.168.0.1', false],
    ['crm.example.com:443=10.0.0.0/8', 'crm.example.com', '203.0.113.7', false],
    [
      'https://crm.example.com:*=fd00::/8, https://crm.example.com=10.0.0.1',
      'crm.example.com',
      'fd12::1',
      true,
    ],
    ['crm.example.com:443=10.0.0.0/8', 'other.example.com', '10.1.2.3', false],
    ['meta:80=169.254.169.254', 'meta', '169.254.169.254', true],
  ])('"%s" and the name %s at %s: %s', (list, hostname, address, permitted) => {
    expect(parseAllow(list).permits(hostname, address)).toBe(permitted);
  });

  it('a place behind "=" changes nothing of which upstreams are allowed', () => {
    const allow = parseAllow('https://crm.example.com:8443/=10.0.0.1');
    expect(allow.allows('https://crm.example.com:8443/x')).toBe(true);
    expect(allow.allows('https://crm.example.com/x')).toBe(false);
  });

  it.each(['a:1=', 'a:1=10.0.0.0/33', 'a:1=b', 'a:1=10.0.0.1:80', 'a:1=::/129'])(
    'refuses the entry "%s", and says what belongs behind "="',
    (list) => {
      expect(() => parseAllow(list)).toThrow(/neither an origin|expected an address or a range/);
    },
  );

  it.each(['localhost', 'http://a:b', 'ftp://a:1', 'http://a/path', '*', 'http://*:80', 'a:1,http://u@b'])(
    'refuses the entry "%s", and names it',
    (list) => {
      expect(() => parseAllow(list)).toThrow(/is neither an origin nor host:port/);
    },
  );
});
