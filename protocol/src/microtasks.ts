/** Awaits that lie between an event and what it leads to, where no I/O does. */
const TURNS = 8;

/**
 * Resolves behind what the event under way has already set off: what several of its calls lead to is there together. In
 * workerd a turn of the event loop would be a timer, which costs as much as a message.
 */
export async function afterMicrotasks(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await null;
}
