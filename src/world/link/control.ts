import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import type { LinkReply, LinkRequest } from '../../ports/link.ts';
import { onLines } from '../lines.ts';
import type { Relay } from './relay.ts';

/** Serves the control socket (src/ports/link.ts). Answers at once, whatever the link is doing. */
export function serveControl(relay: Relay, path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    onLines(socket, (line) => reply(socket, relay, line));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}

function reply(socket: Socket, relay: Relay, line: string): void {
  let answer: LinkReply;
  try {
    const request = JSON.parse(line) as LinkRequest;
    answer = answerTo(relay, request);
  } catch (error) {
    answer = { id: 0, ok: false, code: 'bad-request', why: messageOf(error) };
  }
  socket.write(`${JSON.stringify(answer)}\n`);
}

function answerTo(relay: Relay, request: LinkRequest): LinkReply {
  switch (request.do) {
    case 'status':
      break;
    case 'set': {
      const faulty = request.state === 'cut' || request.extraDelayMs > 0 || (request.lossShare ?? 0) > 0;
      if (faulty && !(Number(request.expiresInMs) > 0)) {
        const why = 'a fault needs expiresInMs, so that nothing can leave it behind';
        return { id: request.id, ok: false, code: 'no-expiry', why };
      }
      relay.set(request, faulty ? (request.expiresInMs ?? null) : null);
      break;
    }
    case 'drop-egress':
      relay.dropEgress(request.place);
      break;
    default:
      return { id: 0, ok: false, code: 'bad-request', why: 'unknown `do`' };
  }
  return { id: request.id, ok: true, status: relay.status() };
}
