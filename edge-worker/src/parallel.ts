/** Runs all of them, so many at once; one that fails keeps no other back. @returns what they failed with */
export async function inParallel(
  tasks: readonly (() => Promise<void>)[],
  atOnce: number,
): Promise<unknown[]> {
  const failed: unknown[] = [];
  const rest = tasks.values();
  const runner = async () => {
    for (const task of rest) await task().catch((error: unknown) => failed.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, tasks.length) }, runner));
  return failed;
}
