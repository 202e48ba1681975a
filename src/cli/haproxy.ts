import { readFile } from 'node:fs/promises';
import { authOf, connectStore } from '../coordination/etcd/client.ts';
import { driveHaproxy } from '../planes/haproxy/drive.ts';
import type { HaproxyConfig, Secrets } from '../ports/config.ts';
import { createLog } from '../telemetry/log.ts';
import { nodeClock } from '../telemetry/node-clock.ts';
import { processFile } from './process-file.ts';
import { terminated } from './terminated.ts';

const STORE_TIMEOUT_MS = 2_000;

/**
 * `farshore haproxy FILE`: drives a HAProxy until SIGTERM, which leaves it as it is. Resolves to the exit code.
 * @throws FarshoreError FSH_USAGE, FSH_PORT_IN_USE
 */
export async function haproxy(argv: readonly string[]): Promise<number> {
  const file = processFile('haproxy', argv);
  if (file === null) return 0;
  const config = JSON.parse(await readFile(file, 'utf8')) as HaproxyConfig;
  const secrets = JSON.parse(await readFile(config.secretsPath, 'utf8')) as Secrets;
  const log = createLog(`haproxy ${config.place}`);
  const auth = authOf(config.storeKind, secrets);
  const store = connectStore({ urls: config.storeUrls, auth, timeoutMs: STORE_TIMEOUT_MS, clock: nodeClock });
  const stop = terminated();
  const driver = await driveHaproxy(config, store, nodeClock, (text) => log.info('haproxy', text));
  log.info('driving', config.runtimeSocketPath, { agentPort: driver.agentPort });
  await stop;
  await driver.close();
  await store.close();
  return 0;
}
