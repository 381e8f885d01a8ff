import { parseArgs } from 'node:util';

/** Options of a benchmark that are numbers above 0, such as `--rounds 7`, each with what it is without being said. */
export function numbers<Name extends string>(
  args: string[],
  defaults: Record<Name, number>,
): Record<Name, number> {
  const options = Object.fromEntries(
    Object.keys(defaults).map((name) => [name, { type: 'string' as const }]),
  );
  const { values } = parseArgs({ args, options, strict: true });
  const given = Object.entries(values).map(([name, text]) => [name, positive(name, String(text))]);
  return { ...defaults, ...Object.fromEntries(given) };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`--${name} ${text}: expected a number above 0`);
}
