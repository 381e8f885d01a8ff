// Runs the cases of the suite in the folder argv[2] against the origin that answers at argv[3], and prints what became
// of each as JSON. JavaScript, because the suite's modules have no types.
import { join } from 'node:path';

const [suite, base] = process.argv.slice(2);
const load = (file) => import(join(suite, file));
const { runTests, getResults } = await load('client/runner.mjs');
const { default: suites } = await load('tests/index.mjs');
const { default: surrogate } = await load('tests/surrogate-control.mjs');

/**
 * Where the suite's origin says 999, which is no status, a client takes that for a 5xx (RFC 9110 §15), and a gateway
 * cannot pass it on.
 */
async function conforming(url, init) {
  const response = await fetch(url, init);
  if (response.status <= 599) return response;
  return new Response(response.body, { status: 502, headers: response.headers });
}

await runTests([...suites, surrogate], conforming, false, base);
// A case's own token is in some of its sentences; two runs differ in it.
const sentence = ([kind, message]) =>
  `${kind}: ${message}`.replace(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, '<token>');
const outcomes = Object.entries(getResults()).map(([id, it]) => [id, it === true ? 'passed' : sentence(it)]);
console.log(JSON.stringify(Object.fromEntries(outcomes)));
// Connections that are kept alive would keep the process.
process.exit();
