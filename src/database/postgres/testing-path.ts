import { type Socket, connect, createServer } from 'node:net';
import { once } from 'node:events';
import type { Upstream } from '../../ports/database.ts';

/** A path to an upstream, for tests, that can go silent: packets are swallowed, no connection ends. */
export interface SilentPath {
  /** The upstream at the end of this path. */
  readonly upstream: Upstream;
  /** From now on each connection carries no more than this many bytes from the upstream. */
  hold(afterBytes: number): void;
  /** Resolves when a connection has come to that. */
  silent(): Promise<void>;
  /** No other connection is held from now on; what is held stays so. */
  holdNoMore(): void;
  /** Everything flows again, also what was held. */
  release(): void;
  end(): Promise<void>;
}

export async function silentPath(to: Upstream): Promise<SilentPath> {
  const sockets = new Set<Socket>();
  const held = new Set<Socket>();
  let limit = Number.POSITIVE_INFINITY;
  let tellSilent: () => void = () => undefined;
  const server = createServer((near) => {
    const far = connect(to.port, to.host);
    let carried = 0;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    near.on('data', (chunk) => void (far.destroyed || far.write(chunk)));
    far.on('data', (chunk) => {
      carried += chunk.length;
      if (!near.destroyed) near.write(chunk);
      if (carried <= limit) return;
      far.pause();
      held.add(far);
      tellSilent();
    });
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    upstream: { ...to, host: '127.0.0.1', port: address.port },
    hold: (afterBytes) => {
      limit = afterBytes;
    },
    holdNoMore: () => {
      limit = Number.POSITIVE_INFINITY;
    },
    silent: () => (held.size > 0 ? Promise.resolve() : new Promise((resolve) => void (tellSilent = resolve))),
    release: () => {
      limit = Number.POSITIVE_INFINITY;
      for (const far of held) far.resume();
      held.clear();
    },
    async end() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
