/** The origin behind every path: the least Node HTTP server there is, as a process of its own. */
import { createServer, type ServerResponse } from 'node:http';
import { BODY_BYTES, bodyOf, LARGE_BYTES } from './body.ts';

const LARGE = Buffer.alloc(LARGE_BYTES, 'x');

const server = createServer((request, response) => {
  const [path, n = ''] = request.url?.split('?n=') ?? [];
  if (path?.endsWith('/large')) {
    response.writeHead(200, { 'content-length': LARGE_BYTES }).end(LARGE);
    return;
  }
  // What is posted has to be here before the answer goes.
  request.resume().once('end', () => small(response, n));
});

function small(response: ServerResponse, n: string): void {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': BODY_BYTES });
  response.end(bodyOf(n));
}
// Otherwise it closes connections that were idle while another path was measured, and a request may meet that.
server.keepAliveTimeout = 0;
server.listen(Number(process.env['PORT']), '127.0.0.1');
