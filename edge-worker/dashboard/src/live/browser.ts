import { whoIsSignedIn } from '../session/session.ts';
import type { LivePorts, LiveSocket, SocketEvents } from './ports.ts';

/** The live picture's ports as a browser has them. The session's cookie goes with the upgrade by itself. */
export const browserPorts: LivePorts = {
  dial,
  signedIn: async () => (await whoIsSignedIn()) !== undefined,
  now: () => Date.now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

function dial(query: string, events: SocketEvents): LiveSocket {
  const url = new URL(`/live${query === '' ? '' : `?${query}`}`, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url);
  socket.onmessage = ({ data }) => events.message(String(data));
  socket.onclose = ({ code, reason }) => events.closed(code, reason);
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    },
  };
}
