import { connect, createServer, type Server, type Socket } from 'node:net';

interface Doors {
  readonly restPort: number;
  readonly postgresPort: number;
}

const ASK_EVERY_MS = 100;

/**
 * Leads clients to Patroni's leader, as HAProxy does by asking `/primary`, only ten times as often. Connections to a node that is
 * no leader any more are closed.
 */
export class Router {
  readonly #nodes: readonly Doors[];
  readonly #server: Server;
  readonly #open = new Map<Socket, number>();
  readonly #timer: NodeJS.Timeout;
  #leader: number | null = null;

  constructor(nodes: readonly Doors[], port: number) {
    this.#nodes = nodes;
    this.#server = createServer((client) => this.#lead(client)).listen(port, '127.0.0.1');
    this.#timer = setInterval(() => void this.#ask(), ASK_EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#server.close();
    for (const socket of this.#open.keys()) socket.destroy();
  }

  async #ask(): Promise<void> {
    const answers = await Promise.all(this.#nodes.map((node) => isPrimary(node.restPort)));
    const at = answers.indexOf(true);
    const leader = at < 0 ? null : (this.#nodes[at]?.postgresPort ?? null);
    if (leader === null || leader === this.#leader) return;
    this.#leader = leader;
    for (const [socket, port] of this.#open) if (port !== leader) socket.destroy();
  }

  #lead(client: Socket): void {
    const port = this.#leader;
    client.on('error', () => client.destroy());
    if (port === null) return void client.destroy();
    const server = connect(port, '127.0.0.1');
    this.#open.set(client, port);
    server.on('error', () => client.destroy());
    server.on('close', () => client.destroy());
    client.on('close', () => {
      this.#open.delete(client);
      server.destroy();
    });
    client.setNoDelay(true);
    server.setNoDelay(true);
    client.pipe(server).pipe(client);
  }
}

async function isPrimary(restPort: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${restPort}/primary`, { signal: AbortSignal.timeout(300) })).status === 200;
  } catch {
    return false;
  }
}
