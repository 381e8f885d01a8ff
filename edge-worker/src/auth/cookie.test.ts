import { describe, expect, it } from 'vitest';
import { sessionOf, setSession } from './cookie.ts';

const read = (url: string, cookie: string) => sessionOf(new Request(url, { headers: { cookie } }));

describe('the session cookie', () => {
  it('is Secure and bound to the host over HTTPS, and plain on a developer’s loopback', () => {
    expect(setSession('https://console.example.com/x', 'a.b.c', 60)).toBe(
      '__Host-orc_session=a.b.c; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure',
    );
    for (const host of ['127.0.0.1:8787', 'localhost', '[::1]:3000'])
      expect(setSession(`http://${host}/`, 'a.b.c', 60)).toBe(
        'orc_session=a.b.c; Path=/; Max-Age=60; HttpOnly; SameSite=Strict',
      );
  });

  it('is neither set nor read over plain HTTP through a network', () => {
    expect(setSession('http://console.example.com/', 'a.b.c', 60)).toBeUndefined();
    expect(read('http://console.example.com/', '__Host-orc_session=a; orc_session=b')).toBeUndefined();
  });

  it('is read by its own name, wherever it stands', () => {
    expect(read('https://c.example/', 'a=1; __Host-orc_session=x.y.z; orc_session=no')).toBe('x.y.z');
    expect(read('https://c.example/', 'a=1, __Host-orc_session=x')).toBe('x');
    expect(read('https://c.example/', 'my__Host-orc_session=x; orc_session=y')).toBeUndefined();
    expect(read('http://127.0.0.1/', '__Host-orc_session=x; orc_session=y')).toBe('y');
  });
});
