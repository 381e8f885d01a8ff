import { structuredPatch } from 'diff';
import { stringify } from 'yaml';

/** Lines around a change, as in `diff -u`. */
const CONTEXT = 3;

/** A value as people read it. */
export const yamlOf = (value: unknown): string => stringify(value, { lineWidth: 0 });

/** What changes from one value to another, as a unified diff of their YAML; empty when nothing does. */
export function difference(before: unknown, after: unknown): string[] {
  const { hunks } = structuredPatch('', '', yamlOf(before), yamlOf(after), '', '', { context: CONTEXT });
  return hunks.flatMap(({ oldStart, oldLines, newStart, newLines, lines }) => [
    `@@ -${oldStart},${oldLines} +${newStart},${newLines} @@`,
    ...lines,
  ]);
}
