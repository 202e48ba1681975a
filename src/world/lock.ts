import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Held until `release` or the end of the process, however that comes. */
export interface Lock {
  release(): void;
}

/**
 * A lock among all processes of this machine and user, by name: an abstract Unix socket, which the kernel frees with its
 * process, so that there is no stale lock. Null when somebody holds it still after `waitMs`.
 */
export async function takeLock(name: string, waitMs = 0): Promise<Lock | null> {
  const endMs = performance.now() + waitMs;
  for (;;) {
    const server = await tryListen(`\0farshore/${process.getuid?.() ?? 0}/${name}`);
    if (server !== null) return { release: () => server.close() };
    if (performance.now() >= endMs) return null;
    await sleep(25);
  }
}

function tryListen(path: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    server.listen(path, () => resolve(server.unref()));
  });
}
