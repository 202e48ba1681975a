import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { authOf, connectStore } from '../coordination/etcd/client.ts';
import { NO_ROWS } from '../decide/routing/geo-table.ts';
import { startDns } from '../planes/dns/server.ts';
import { readGeoRows } from '../planes/geo/read-geo.ts';
import type { Secrets } from '../ports/config.ts';
import type { DnsConfig } from '../ports/dns.ts';
import { createLog } from '../telemetry/log.ts';
import { nodeClock } from '../telemetry/node-clock.ts';
import { processFile } from './process-file.ts';
import { terminated } from './terminated.ts';

/** A call to the store never holds up an answer: the last table is answered from meanwhile. */
const STORE_TIMEOUT_MS = 2_000;

/**
 * `farshore dns FILE`: answers until SIGTERM. Resolves to the exit code.
 * @throws FarshoreError FSH_USAGE, FSH_PORT_IN_USE, FSH_FAILED
 */
export async function dns(argv: readonly string[]): Promise<number> {
  const file = processFile('dns', argv);
  if (file === null) return 0;
  const config = JSON.parse(await readFile(file, 'utf8')) as DnsConfig;
  const secrets = JSON.parse(await readFile(config.secretsPath, 'utf8')) as Secrets;
  const log = createLog(`dns ${config.place}`);
  const auth = authOf(config.storeKind, secrets);
  const store = connectStore({ urls: config.storeUrls, auth, timeoutMs: STORE_TIMEOUT_MS, clock: nodeClock });
  const stop = terminated();
  const seed = randomBytes(4).readUInt32LE();
  const rows = config.geo === undefined || config.geo === null ? NO_ROWS : await readGeoRows(config.geo.database);
  const running = await startDns(config, { coordination: store, clock: nodeClock, seed, rows });
  const where = config.listen.map(({ host }, i) => `${host}:${running.ports[i]}`).join(', ');
  log.info('answering', `${config.zones.map((zone) => zone.name).join(', ')} on ${where}`);
  await stop;
  await running.close();
  await store.close();
  return 0;
}
