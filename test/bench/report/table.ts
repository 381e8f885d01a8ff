const GAP = '  ';

/** Rows as aligned columns, the first row being their titles; numbers to the right, text to the left. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const isText = widths.map((_, column) => rows.slice(1).some((row) => /^[a-z]/i.test(row[column] ?? '')));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (isText[at] ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)));
  return rows.map((row) => line(row).join(GAP).trimEnd()).join('\n');
}
