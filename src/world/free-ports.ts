import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const FIRST = 20_000;
/** Where the kernel begins to choose ports of its own for outgoing connections, by default. */
const EPHEMERAL_FROM = 32_768;

/**
 * `count` ports on 127.0.0.1 that are free now, and that the kernel gives to no outgoing connection before they are used: a
 * port that it chooses itself (port 0) may be any process's a moment later.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const last = Math.max(FIRST + 1_000, ephemeralFrom());
  const found = new Set<number>();
  while (found.size < count) {
    const port = FIRST + Math.floor(Math.random() * (last - FIRST));
    if (!found.has(port) && (await portIsFree(port))) found.add(port);
  }
  return [...found];
}

export const freePort = async (): Promise<number> => (await freePorts(1))[0] ?? 0;

function ephemeralFrom(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]);
  } catch {
    return EPHEMERAL_FROM;
  }
}

/** True when nothing listens on 127.0.0.1:`port` and this user may. */
export function portIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
