/** Prints the JSON Schema of every frame and entry, by the side that receives it. */
import { z } from 'zod';
import { ENTRIES_TO_EDGE, ENTRIES_TO_ORCHESTRATOR, FRAMES } from '../src/frames/index.ts';

// What is checked by a function says by its `meta` what it is.
const schemasOf = (table: Readonly<Record<string, z.ZodType>>) =>
  Object.fromEntries(
    Object.entries(table).map(([type, schema]) => [type, z.toJSONSchema(schema, { unrepresentable: 'any' })]),
  );

console.log(
  JSON.stringify(
    {
      framesToEdge: schemasOf(FRAMES.edge),
      framesToOrchestrator: schemasOf(FRAMES.orchestrator),
      entriesToEdge: schemasOf(ENTRIES_TO_EDGE),
      entriesToOrchestrator: schemasOf(ENTRIES_TO_ORCHESTRATOR),
    },
    null,
    2,
  ),
);
