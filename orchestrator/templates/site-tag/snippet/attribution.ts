import { deleteCookie, readCookie, writeCookie } from './cookie.ts';

const COOKIE = '_ae_click';
/** What ad platforms put into a landing page's URL. */
const PARAMETER = /^(?:gclid|gbraid|wbraid|fbclid|msclkid|utm_[a-z_]{1,30})$/;
const VALUE_CHARS_MAX = 500;
/** Browsers drop a cookie of more than 4 KiB, silently. */
const COOKIE_CHARS_MAX = 3_500;

export type Attribution = Readonly<Record<string, string>>;

/** The click in a URL; undefined when nobody has clicked on an ad to get there. */
function clickIn(url: string): Attribution | undefined {
  const click: Record<string, string> = {};
  for (const [name, value] of new URL(url).searchParams) {
    if (PARAMETER.test(name) && value !== '') click[name] = value.slice(0, VALUE_CHARS_MAX);
  }
  return Object.keys(click).length === 0 ? undefined : click;
}

/** Remembers the click that led here, in place of an earlier one. */
export function capture(url: string): void {
  const click = clickIn(url);
  if (click === undefined) return;
  const text = JSON.stringify(click);
  if (encodeURIComponent(text).length <= COOKIE_CHARS_MAX) writeCookie(COOKIE, text);
}

export const forget = (): void => deleteCookie(COOKIE);

/** The last click that is remembered. */
export function attribution(): Attribution | undefined {
  try {
    const text = readCookie(COOKIE);
    return text === undefined || text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined; // Somebody else's cookie, or one cut off.
  }
}
