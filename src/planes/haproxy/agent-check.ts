import { createServer, type Server, type Socket } from 'node:net';
import type { ServerState } from './desired.ts';

const QUESTION_WITHIN_MS = 2_000;
const QUESTION_BYTES_MAX = 256;

/**
 * Answers HAProxy's agent checks: it sends a backend, a region's id and a line feed, and hears `ready`, `drain` or `maint`. A server we say
 * nothing about gets no answer, which HAProxy takes for no change; the same holds when this process is gone.
 */
export function serveAgentChecks(stateOf: (server: string) => ServerState | undefined): Server {
  const server = createServer((socket) => answer(socket, stateOf));
  // HAProxy asks once a second for each server; more than this at once is somebody else.
  server.maxConnections = 256;
  return server;
}

function answer(socket: Socket, stateOf: (server: string) => ServerState | undefined): void {
  let question = '';
  socket.setTimeout(QUESTION_WITHIN_MS, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    question += chunk.toString('latin1');
    const end = question.indexOf('\n');
    if (end === -1) {
      if (question.length > QUESTION_BYTES_MAX) socket.destroy();
      return;
    }
    const state = stateOf(question.slice(0, end).trim());
    if (state === undefined) socket.destroy();
    else socket.end(`${state}\n`);
  });
}
