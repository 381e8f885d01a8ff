import { decodeParcel } from '@clawdbot/protocol';

const decoder = new TextDecoder();

/** Does the URL of a stored request begin with this? */
export const beginsWith = (parcel: Uint8Array, path: string): boolean =>
  decodeParcel(parcel).head.url.startsWith(path);

/**
 * Does `value` stand in a stored request: its URL, a header or its body, as plain text, in a form (percent-encoded)
 * or in JSON (escaped)? Case does not count. What is compressed, or encoded in base64, is not looked into.
 */
export function contains(parcel: Uint8Array, value: string): boolean {
  const { head, body } = decodeParcel(parcel);
  const wanted = value.normalize().toLowerCase();
  const texts = [
    head.url,
    ...head.headers.map(([, text]) => text),
    body === null ? '' : decoder.decode(body),
  ];
  return texts.some((text) => {
    const lower = text.normalize().toLowerCase();
    if (lower.includes(wanted)) return true;
    if (!/[%+\\]/.test(lower)) return false;
    // In a form "+" is a space; in JSON and in a path it is itself.
    return plainOf(text).includes(wanted) || plainOf(text.replaceAll('+', ' ')).includes(wanted);
  });
}

/** Escapes of forms and JSON resolved, in lower case. */
const plainOf = (text: string): string =>
  text
    .replaceAll(/(?:%[0-9a-f]{2})+/gi, percentDecoded)
    .replaceAll(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll(/\\(["\\/])/g, '$1')
    .normalize()
    .toLowerCase();

function percentDecoded(run: string): string {
  try {
    return decodeURIComponent(run);
  } catch {
    // No UTF-8: then Latin-1, in which each octet is a character.
    return run.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
}
