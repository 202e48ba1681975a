import { connect, type Socket } from 'node:net';
import { LineCutter } from '../../base/lines.ts';
import { done, type Outcome, refused, unknown } from '../../base/result.ts';
import type { GatewayControl, GatewayReply, GatewayRequest, GatewayStatus, GatewayTable } from '../../ports/gateway.ts';

/**
 * The agent's end of the control socket at `controlPath`. It connects when it is first used, and again at the next call after
 * the connection was lost. A call that gets no answer within `timeoutMs` is `unknown`; one that was never sent
 * (no gateway there) is refused with code `unreachable`.
 */
export function connectGateway(controlPath: string, timeoutMs = 2_000): GatewayControl {
  const waiting = new Map<number, (outcome: Outcome<GatewayStatus>) => void>();
  let socket: Socket | null = null;
  let nextId = 1;

  const lose = (lost: Socket, outcome: Outcome<never>): void => {
    lost.destroy();
    if (socket !== lost) return;
    socket = null;
    for (const settle of waiting.values()) settle(outcome);
  };
  const open = (): Socket => {
    const fresh = connect({ path: controlPath });
    let connected = false;
    fresh.setEncoding('utf8');
    fresh.unref();
    fresh.once('connect', () => {
      connected = true;
    });
    fresh.on('error', (error) =>
      lose(fresh, connected ? unknown(error.message) : refused('unreachable', error.message)),
    );
    fresh.on('close', () => lose(fresh, unknown('the gateway closed its control socket')));
    readLines(fresh, (reply) => waiting.get(reply.id)?.(outcomeOf(reply)));
    return fresh;
  };
  const call = (request: RequestBody): Promise<Outcome<GatewayStatus>> =>
    new Promise((resolve) => {
      const id = nextId;
      nextId += 1;
      const timer = setTimeout(() => settle(unknown(`no answer within ${timeoutMs} ms`)), timeoutMs);
      const settle = (outcome: Outcome<GatewayStatus>): void => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(outcome);
      };
      waiting.set(id, settle);
      socket ??= open();
      const message: GatewayRequest = { id, ...request };
      socket.write(`${JSON.stringify(message)}\n`);
    });

  return {
    table: (table) => call({ do: 'table', table }),
    status: () => call({ do: 'status' }),
    close: () => {
      if (socket !== null) lose(socket, unknown('closed'));
    },
  };
}

type RequestBody = { readonly do: 'table'; readonly table: GatewayTable } | { readonly do: 'status' };

const MAX_REPLY_CHARS = 256 * 1024;

function readLines(socket: Socket, onReply: (reply: GatewayReply) => void): void {
  const cutter = new LineCutter(MAX_REPLY_CHARS);
  socket.on('data', (chunk: string) => {
    const lines = cutter.push(chunk);
    if (lines === null) socket.destroy();
    else for (const line of lines) onReply(JSON.parse(line) as GatewayReply);
  });
}

const outcomeOf = (reply: GatewayReply): Outcome<GatewayStatus> =>
  reply.ok ? done(reply.status) : refused(reply.code, reply.why);
