import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { z } from 'zod';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { LineCutter } from '../../base/lines.ts';
import { parseNodeId, placeId } from '../../base/ids.ts';
import type { GatewayReply, GatewayRequest } from '../../ports/gateway.ts';
import type { Gateway } from './server.ts';

/** The agent's way in: a Unix socket for its owner only, one JSON object a line. */

const MAX_LINE_BYTES = 262_144;

const node = z.string().min(1).transform(parseNodeId);
const tableSchema = z.object({
  epoch: z.number().int().nonnegative(),
  local: z.enum(['primary', 'standby', 'closed']),
  open: z.boolean(),
  closing: z.boolean().exactOptional(),
  deadlineMs: z.number().nullable(),
  ahead: z.object({ bootMs: z.number().nullable(), wallMs: z.number() }).exactOptional(),
  primary: z
    .object({ node, region: z.string().transform(placeId), host: z.string(), port: z.number().int() })
    .nullable(),
  readOnly: z.object({
    local: z.boolean(),
    freshUntilMs: z.number().nullable(),
    why: z.string(),
    elsewhere: z.array(z.object({ node, host: z.string(), port: z.number().int() })),
  }),
});
const requestSchema = z.discriminatedUnion('do', [
  z.object({ id: z.number(), do: z.literal('table'), table: tableSchema }),
  z.object({ id: z.number(), do: z.literal('status') }),
]);

/** Opens the control socket. A socket file that nobody answers on is replaced. */
export async function listenControl(path: string, gateway: Gateway): Promise<Server> {
  if (await answers(path)) throw new FarshoreError('FSH_STATE_BUSY', `another gateway answers on ${path}`);
  await rm(path, { force: true });
  const server = createServer((socket) => serveControl(socket, gateway));
  // Bind happens inside of listen(): the file is 0600 from its first moment.
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
      process.umask(before);
    });
  } finally {
    process.umask(before);
  }
  return server;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

function serveControl(socket: Socket, gateway: Gateway): void {
  const cutter = new LineCutter(MAX_LINE_BYTES);
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.on('data', (chunk: string) => {
    const lines = cutter.push(chunk);
    if (lines === null) socket.destroy();
    else for (const line of lines) socket.write(`${JSON.stringify(answer(line, gateway))}\n`);
  });
}

function answer(line: string, gateway: Gateway): GatewayReply {
  let request: GatewayRequest;
  try {
    request = requestSchema.parse(JSON.parse(line));
  } catch (error) {
    return { id: -1, ok: false, code: 'bad-request', why: messageOf(error) };
  }
  if (request.do === 'table' && !gateway.apply(request.table)) {
    const { epoch } = gateway.status();
    return { id: request.id, ok: false, code: 'stale-epoch', why: `epoch ${request.table.epoch} is over: ${epoch}` };
  }
  return { id: request.id, ok: true, status: gateway.status() };
}
