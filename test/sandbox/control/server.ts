import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { shut } from '../listen.ts';
import { answers } from '../processes/polling.ts';
import { readControl, removeControl, writeControl } from './file.ts';

/** What may be asked of a running sandbox. */
export interface Control {
  has(part: string): boolean;
  startPart(part: string): Promise<void>;
  stopPart(part: string): Promise<void>;
  /** Runs one statement in the edge's D1, as the existing API would. @returns its rows */
  sql(statement: string): Promise<unknown[]>;
}

const ASKED = /^\/(stop|start|restart)\/([a-z]+)$/;

/** A statement is a line or two. */
const STATEMENT_BYTES_MAX = 100_000;

/** `POST /<stop|start|restart>/<part>` and `POST /sql` on loopback; answered when it has been done. */
export class ControlServer {
  readonly #dir: string;
  readonly #control: Control;
  readonly #token = randomBytes(24).toString('hex');
  #server: Server | undefined;
  /** One request at a time: a stop and a start of one part must not overlap. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(dir: string, control: Control) {
    this.#dir = dir;
    this.#control = control;
  }

  async listen(): Promise<void> {
    const server = createServer((request, response) => {
      const task = this.#last.then(() => this.#answer(request));
      this.#last = task;
      void task.then(([status, line]) => response.writeHead(status).end(`${line}\n`));
    });
    this.#server = server;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, '127.0.0.1', resolve);
    await promise;
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the control port has no number');
    writeControl(this.#dir, {
      url: `http://127.0.0.1:${address.port}`,
      token: this.#token,
      pid: process.pid,
    });
  }

  async close(): Promise<void> {
    if (this.#server === undefined) return;
    removeControl(this.#dir);
    await shut(this.#server);
    this.#server = undefined;
  }

  async #answer(request: IncomingMessage): Promise<[status: number, line: string]> {
    const [, verb, part] = ASKED.exec(request.url ?? '') ?? [];
    if (request.headers.authorization !== `Bearer ${this.#token}`) return [401, 'not you'];
    if (request.method === 'POST' && request.url === '/sql') return this.#sql(await bodyOf(request));
    if (request.method !== 'POST' || verb === undefined || part === undefined) return [404, 'no such thing'];
    if (!this.#control.has(part)) return [404, `there is no part "${part}"`];
    try {
      if (verb !== 'start') await this.#control.stopPart(part);
      if (verb !== 'stop') await this.#control.startPart(part);
      return [200, verb === 'stop' ? `${part} is down` : `${part} is up`];
    } catch (error) {
      return [500, sentenceOf(error)];
    }
  }

  async #sql(statement: string): Promise<[status: number, line: string]> {
    try {
      return [200, (await this.#control.sql(statement)).map((row) => JSON.stringify(row)).join('\n')];
    } catch (error) {
      return [422, sentenceOf(error)];
    }
  }
}

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request) {
    text += String(part);
    if (text.length > STATEMENT_BYTES_MAX) break;
  }
  return text;
}

/** What to do about the sandbox that runs in that folder. */
export function howToEnd(dir: string): string {
  const pid = readControl(dir)?.pid;
  return `press Ctrl-C in its terminal${pid === undefined ? '' : `, or run: kill ${pid}`}`;
}

/** Whether a sandbox runs in that folder; a control file alone may be left from one that was killed. */
export async function isRunning(dir: string): Promise<boolean> {
  const file = readControl(dir);
  return file !== undefined && (await answers(file.url, 'anything'));
}
