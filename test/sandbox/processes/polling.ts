import { setTimeout as delay } from 'node:timers/promises';

const EVERY_MS = 40;
const ANSWER_TIMEOUT_MS = 2_000;

/** Asks until it is so. @returns whether it was so before `withinMs` had passed */
export async function becomes(isSo: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (performance.now() < end) {
    if (await isSo()) return true;
    await delay(EVERY_MS);
  }
  return false;
}

/** Whether a URL answers at all; `ok` asks for a 2xx. */
export async function answers(url: string, ok: 'anything' | 'ok' = 'ok'): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    await response.body?.cancel();
    return ok === 'anything' || response.ok;
  } catch {
    return false; // Refused, reset or too slow: whoever asks asks again.
  }
}
