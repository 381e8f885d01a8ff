/** The origin behind every path: the least Node HTTP server there is, as a process of its own. */
import { createServer } from 'node:http';
import { BODY_BYTES, bodyOf } from './body.ts';

const server = createServer((request, response) => {
  const n = request.url?.split('?n=')[1] ?? '';
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': BODY_BYTES });
  response.end(bodyOf(n));
});
// Otherwise it closes connections that were idle while another path was measured, and a request may meet that.
server.keepAliveTimeout = 0;
server.listen(Number(process.env['PORT']), '127.0.0.1');
