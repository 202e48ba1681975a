import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import { isIPv4 } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { StoreConfig } from '../../ports/config.ts';
import { openDataDir } from './data-dir.ts';
import { createStoreServer } from './server.ts';
import { Store, type StoreEvent } from './store.ts';

export interface StartOptions {
  readonly clock: Pick<Clock, 'nowMs' | 'wallMs'>;
  readonly tell?: (event: StoreEvent | { readonly event: 'torn-tail-dropped'; readonly bytes: number }) => void;
  /** Called once when the disk can no longer be trusted. Every connection was cut by then, with nothing answered. */
  readonly lost?: (why: string) => void;
}

export interface StoreHandle {
  readonly port: number;
  /** Finishes the requests under way, cuts the watches, closes the log and gives the directory free. */
  close(): Promise<void>;
}

/** Keys and values held; beyond it puts are refused, deletes are not. */
const MAX_STATE_BYTES = 64 * 1024 * 1024;

/**
 * Starts the embedded store: reads its directory, then listens.
 * Throws what `openDataDir` throws, FSH_PORT_IN_USE, FSH_REFUSED for an address off loopback, FSH_SPEC_INVALID
 * without a token.
 */
export async function startStore(config: StoreConfig, options: StartOptions): Promise<StoreHandle> {
  const { host, port } = config.listen;
  if (!(isIPv4(host) && host.startsWith('127.')) && host !== '::1') {
    throw new FarshoreError('FSH_REFUSED', `the store listens on loopback only, not on ${host}: it has no TLS`);
  }
  const token = await readToken(config.secretsPath);
  const tell = options.tell ?? (() => {});
  const opened = await openDataDir(config.dataDir, MAX_STATE_BYTES);
  if (opened.tornBytes > 0) tell({ event: 'torn-tail-dropped', bytes: opened.tornBytes });
  let server: Server | null = null;
  const lost = (why: string): void => {
    server?.close();
    server?.closeAllConnections();
    options.lost?.(why);
  };
  const store = new Store(opened, config.dataDir, { clock: options.clock, tell, lost });
  server = createStoreServer(store, token);
  try {
    await listen(server, host, port);
  } catch (error) {
    await store.close();
    throw error;
  }
  const address = server.address();
  const chosen = address !== null && typeof address === 'object' ? address.port : port;
  return { port: chosen, close: () => close(server, store) };
}

async function readToken(path: string): Promise<string> {
  let secrets: unknown;
  try {
    secrets = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new FarshoreError('FSH_SPEC_INVALID', `cannot read the secrets file ${path}: ${messageOf(error)}`);
  }
  const token = typeof secrets === 'object' && secrets !== null && 'storeToken' in secrets ? secrets.storeToken : null;
  if (typeof token !== 'string' || token.length < 16) {
    throw new FarshoreError('FSH_SPEC_INVALID', `the secrets file ${path} has no storeToken of 16 characters or more`);
  }
  return token;
}

const listen = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const taken = 'code' in error && error.code === 'EADDRINUSE';
      reject(
        taken ? new FarshoreError('FSH_PORT_IN_USE', `the store cannot listen on ${host}:${port}: in use`) : error,
      );
    });
    server.listen(port, host, () => resolve());
  });

async function close(server: Server, store: Store): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  await store.close();
  server.closeAllConnections();
  await closed;
}
