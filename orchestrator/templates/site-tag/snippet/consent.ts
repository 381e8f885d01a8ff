import { readCookie, writeCookie } from './cookie.ts';

const COOKIE = '_ae_consent';

/** Whether the visitor agreed to being remembered. `unknown`: nobody has asked yet. */
export type Consent = 'granted' | 'denied' | 'unknown';

/** @param needed the site asks before anything is remembered; otherwise a visitor agrees who does not object */
export function consentOf(needed: boolean): Consent {
  const said = readCookie(COOKIE);
  if (said === '1') return 'granted';
  if (said === '0') return 'denied';
  return needed ? 'unknown' : 'granted';
}

export const rememberConsent = (given: boolean): void => writeCookie(COOKIE, given ? '1' : '0');
