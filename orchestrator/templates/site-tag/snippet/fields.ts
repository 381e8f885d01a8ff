export type Given = HTMLFormElement | FormData | Readonly<Record<string, unknown>>;

/** What the visitor typed: text alone, and no passwords. */
export function fieldsOf(given: Given): Record<string, string> {
  if (given instanceof HTMLFormElement) {
    const secret = [...given.elements].filter(
      (element) => element instanceof HTMLInputElement && element.type === 'password',
    );
    const names = new Set(secret.map((element) => element.getAttribute('name')));
    return texts([...new FormData(given)].filter(([name]) => !names.has(name)));
  }
  return texts(given instanceof FormData ? [...given] : Object.entries(given));
}

/** Fields of one name, such as boxes that are ticked, become one. Files are left out. */
function texts(pairs: readonly (readonly [string, unknown])[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [name, value] of pairs) {
    if (name === '' || value === null || typeof value === 'object' || value === undefined) continue;
    fields[name] = Object.hasOwn(fields, name) ? `${fields[name]}, ${value}` : String(value);
  }
  return fields;
}
