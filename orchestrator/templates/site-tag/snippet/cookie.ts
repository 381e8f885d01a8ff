/** Cookies of the page's own host. Safari keeps those that a script sets for 7 days at most. */
const DAYS_MAX = 90;

export function readCookie(name: string): string | undefined {
  const found = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`));
  return found === undefined ? undefined : decodeURIComponent(found.slice(name.length + 1));
}

export function writeCookie(name: string, value: string, days = DAYS_MAX): void {
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not there on pages over plain HTTP.
  document.cookie = `${name}=${encodeURIComponent(value)}; Path=/; SameSite=Lax; Max-Age=${days * 86_400}${secure}`;
}

export const deleteCookie = (name: string): void => writeCookie(name, '', 0);
