/** A script for browsers, bundled on its own (orchestrator/src/bundle/script.ts): its text. */
declare module '*?script' {
  const text: string;
  export default text;
}
