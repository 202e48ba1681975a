import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { onLines } from '../lines.ts';
import type { SupervisorReply, SupervisorRequest } from './protocol.ts';
import type { Supervisor } from './supervisor.ts';

/** Serves the control socket (protocol.ts). `onShutdown` is called once, when everything is stopped and the asker was told. */
export function serveSupervisor(supervisor: Supervisor, path: string, onShutdown: () => void): Promise<Server> {
  const shutDown = async (): Promise<void> => {
    await supervisor.stop();
    // The answer leaves before the process does.
    setTimeout(onShutdown, 20);
  };
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    onLines(socket, (line) => void answer(socket, supervisor, line, shutDown));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}

async function answer(
  socket: Socket,
  supervisor: Supervisor,
  line: string,
  shutDown: () => Promise<void>,
): Promise<void> {
  let reply: SupervisorReply;
  try {
    const request = JSON.parse(line) as SupervisorRequest;
    await carryOut(socket, supervisor, request, shutDown);
    reply = { id: request.id, ok: true, status: supervisor.status() };
  } catch (error) {
    reply = { id: 0, ok: false, code: 'bad-request', why: messageOf(error) };
  }
  if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`);
}

async function carryOut(
  socket: Socket,
  supervisor: Supervisor,
  request: SupervisorRequest,
  shutDown: () => Promise<void>,
): Promise<void> {
  switch (request.do) {
    case 'list':
      return;
    case 'hold':
      if (!(request.expiresInMs > 0)) throw new Error('a hold needs expiresInMs');
      supervisor.hold(request.target, request.holder, request.expiresInMs);
      return;
    case 'release':
      supervisor.release(request.target);
      return;
    case 'attach':
      socket.on('close', () => void shutDown());
      return;
    case 'shutdown':
      await shutDown();
      return;
    default:
      throw new Error('unknown `do`');
  }
}
