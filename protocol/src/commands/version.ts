/** Tells a Worker its own version … */
export const VERSION_BINDING = 'CF_VERSION_METADATA';
/** … which it may say in each answer; our templates do. In lower case. */
export const VERSION_HEADER = 'worker-version';
/** … and in each request that it sends to the relay, where it is counted by and goes no further. In lower case. */
export const SENT_BY_HEADER = 'x-orchestrator-worker-version';
