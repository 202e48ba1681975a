import { availableParallelism } from 'node:os';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { readFile } from 'node:fs/promises';
import { FarshoreError } from '../../base/errors.ts';
import type { GatewayConfig, GatewayStatus, GatewayTable } from '../../ports/gateway.ts';
import { clocksAhead } from '../../telemetry/clocks-ahead.ts';
import { Admission } from './admission.ts';
import { serveClient } from './client-door.ts';
import { type GatewayContext, MAX_CONNECTIONS } from './context.ts';
import { servePeer } from './peer-door.ts';
import { sweepSessions } from './session.ts';
import { sayGoodbye } from './sockets.ts';
import { Authority } from './table.ts';
import { fatal } from './wire.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** A running gateway: three listeners and what its agent may ask of it. */
export interface Gateway {
  readonly addresses: { readonly rw: Address; readonly ro: Address; readonly peer: Address };
  /** Takes a new table. False when it is of an older epoch. */
  apply(table: GatewayTable): boolean;
  status(): GatewayStatus;
  /** Ends every connection and listener. */
  close(): Promise<void>;
}

/** CLOCK_MONOTONIC, which all processes of this machine share. */
const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/**
 * Opens the listeners. Clients wait until the first table comes.
 * @throws FarshoreError FSH_PORT_IN_USE, FSH_REFUSED (a listener off loopback without TLS), FSH_FAILED
 */
export async function startGateway(config: GatewayConfig): Promise<Gateway> {
  refuseOpenListeners(config);
  const context = await makeContext(config);
  const { authority, sessions } = context;
  const open = new Set<Socket>();
  let sweepTimer: NodeJS.Timeout | undefined;

  /**
   * Ends what may not live on, now and when time alone ends something: idle connections are closed at the deadline too,
   * busy ones are stopped by the check before each write. The timer may come early, so it looks again.
   */
  const sweepOnTime = (): void => {
    clearTimeout(sweepTimer);
    context.sweep();
    const { nextEndMs } = authority;
    if (nextEndMs !== null) sweepTimer = setTimeout(sweepOnTime, Math.ceil(nextEndMs));
  };
  const listenOn = (door: 'rw' | 'ro' | 'peer'): Promise<Server> =>
    listen(config[door], (socket) => {
      admit(context, open, socket, (admitted) =>
        door === 'peer' ? servePeer(context, admitted) : serveClient(context, admitted, door),
      );
    });

  const servers: Server[] = [];
  try {
    for (const door of ['rw', 'ro', 'peer'] as const) servers.push(await listenOn(door));
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  const [rw, ro, peer] = servers.map(addressOf);
  if (rw === undefined || ro === undefined || peer === undefined) throw new FarshoreError('FSH_FAILED', 'no listener');
  return {
    addresses: { rw, ro, peer },
    apply: (table) => {
      const taken = authority.apply(table);
      if (taken) sweepOnTime();
      return taken;
    },
    status: () => statusOf(context),
    close: async () => {
      clearTimeout(sweepTimer);
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const session of sessions) session.relay.fence('the gateway is shutting down');
      const timer = setTimeout(() => {
        for (const socket of open) socket.destroy();
      }, CLOSE_MS);
      await Promise.all(closed);
      clearTimeout(timer);
    },
  };
}

/** How long clients may take to read the last error when the gateway stops. */
const CLOSE_MS = 500;

async function makeContext(config: GatewayConfig): Promise<GatewayContext> {
  const authority = new Authority(config.node, monotonicMs, clocksAhead);
  const sessions: GatewayContext['sessions'] = new Set();
  return {
    config,
    authority,
    sessions,
    counters: {
      accepted: 0,
      refused: 0,
      fenced: 0,
      inFlightUnknown: 0,
      cancelledSyncWaits: 0,
      cancelsUnknown: 0,
    },
    cancelKeys: new Map(),
    token: await readToken(config.tokenPath),
    secureContext:
      config.tls === null
        ? null
        : createSecureContext({ cert: await readFile(config.tls.certPath), key: await readFile(config.tls.keyPath) }),
    admission: new Admission(availableParallelism()),
    waiting: 0,
    dialling: 0,
    sweep: () => sweepSessions(sessions, authority),
  };
}

async function readToken(path: string): Promise<string> {
  const secrets: unknown = JSON.parse(await readFile(path, 'utf8'));
  const token = typeof secrets === 'object' && secrets !== null ? Reflect.get(secrets, 'gatewayToken') : undefined;
  if (typeof token !== 'string' || token.length < 16) {
    throw new FarshoreError('FSH_FAILED', `${path} holds no gatewayToken of 16 characters or more`);
  }
  return token;
}

function admit(
  context: GatewayContext,
  open: Set<Socket>,
  socket: Socket,
  serve: (socket: Socket) => Promise<void>,
): void {
  socket.on('error', () => undefined); // 'close' follows and is what everybody acts on
  context.counters.accepted += 1;
  if (open.size >= MAX_CONNECTIONS) {
    context.counters.refused += 1;
    sayGoodbye(socket, fatal('53300', 'farshore: too many connections to this gateway'));
    return;
  }
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  void serve(socket);
}

function listen(address: Address, onSocket: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, onSocket);
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'FSH_PORT_IN_USE' : 'FSH_FAILED';
      reject(new FarshoreError(code, `gateway: cannot listen on ${address.host}:${address.port}: ${error.message}`));
    });
    server.listen({ host: address.host, port: address.port, backlog: 1024 }, () => resolve(server));
  });
}

function addressOf(server: Server): Address {
  const address = server.address() as AddressInfo;
  return { host: address.address, port: address.port };
}

const isLoopback = (host: string): boolean => host === '::1' || host === 'localhost' || host.startsWith('127.');

/** I15. The door for peers has no TLS yet, so it never leaves loopback. */
function refuseOpenListeners(config: GatewayConfig): void {
  const doors = config.tls === null ? [config.rw, config.ro, config.peer] : [config.peer];
  for (const door of doors) {
    if (isLoopback(door.host)) continue;
    throw new FarshoreError('FSH_REFUSED', `gateway: will not listen on ${door.host} without TLS`);
  }
}

function statusOf(context: GatewayContext): GatewayStatus {
  const count = { rw: 0, ro: 0, peer: 0, writers: 0 };
  for (const { door, binding } of context.sessions) {
    count[door] += 1;
    if (binding.want === 'rw' && binding.target === 'local') count.writers += 1;
  }
  return {
    pid: process.pid,
    epoch: context.authority.epoch,
    table: context.authority.table,
    connections: { ...count, waiting: context.waiting },
    counters: { ...context.counters },
  };
}
