import { readFile } from 'node:fs/promises';
import { authOf, connectStore } from '../coordination/etcd/client.ts';
import { NO_ROWS } from '../decide/routing/geo-table.ts';
import { EDGE_LIMITS } from '../planes/edge/limits.ts';
import { startEdge } from '../planes/edge/server.ts';
import { readGeoRows } from '../planes/geo/read-geo.ts';
import type { EdgeConfig, Secrets } from '../ports/config.ts';
import { createLog } from '../telemetry/log.ts';
import { nodeClock } from '../telemetry/node-clock.ts';
import { processFile } from './process-file.ts';
import { terminated } from './terminated.ts';

/** A call to the store never holds up a request: users are served with the last table meanwhile. */
const STORE_TIMEOUT_MS = 2_000;

/**
 * `farshore edge FILE`: serves until SIGTERM, then drains; SIGHUP has the certificates read again. Resolves to the exit code.
 * @throws FarshoreError FSH_USAGE, FSH_PORT_IN_USE, FSH_TLS_INVALID
 */
export async function edge(argv: readonly string[]): Promise<number> {
  const file = processFile('edge', argv);
  if (file === null) return 0;
  const config = JSON.parse(await readFile(file, 'utf8')) as EdgeConfig;
  const secrets = JSON.parse(await readFile(config.secretsPath, 'utf8')) as Secrets;
  const log = createLog(`edge ${config.place}`);
  const store = connectStore({
    urls: config.storeUrls,
    auth: authOf(config.storeKind, secrets),
    timeoutMs: STORE_TIMEOUT_MS,
    clock: nodeClock,
  });
  const stop = terminated();
  const rows = config.geo === undefined || config.geo === null ? NO_ROWS : await readGeoRows(config.geo.database);
  const tell = (text: string) => log.info('certificates', text);
  const running = await startEdge(config, store, nodeClock, EDGE_LIMITS, rows, tell);
  process.on('SIGHUP', () => void running.reloadCertificates());
  const scheme = config.listen.tls === true ? 'https' : 'http';
  log.info('listening', `${scheme}://${config.listen.host}:${running.port}`, { port: running.port });
  await stop;
  log.info('draining', 'asked to stop');
  await running.close();
  await store.close();
  return 0;
}
