import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { parseNodeId } from '../../base/ids.ts';
import type { GatewayConfig } from '../../ports/gateway.ts';
import { listenControl } from './control.ts';
import { goFirst } from '../../system/first-in-line.ts';
import { poller } from './poller.ts';
import { startGateway } from './server.ts';

/**
 * The gateway process: `node dist/database/gateway/main.js FILE`, FILE holding a GatewayConfig.
 * Prints one JSON line `{"ready":true,"pid":…,"carrier":"poller"|"node","first":true|false,"rw":…,"ro":…,"peer":…}` when its doors are open. SIGTERM closes it in order.
 */
const address = z.strictObject({ host: z.string(), port: z.number().int().min(0).max(65_535) });
const configSchema = z.strictObject({
  node: z.string().min(1).transform(parseNodeId),
  controlSocketPath: z.string(),
  postgres: z.strictObject({ socketDir: z.string(), port: z.number().int() }),
  rw: address,
  ro: address,
  peer: address,
  tokenPath: z.string(),
  tls: z.strictObject({ certPath: z.string(), keyPath: z.string() }).nullable(),
  clientsMax: z.number().int().positive(),
  waitForPrimaryMs: z.number().nonnegative(),
});

async function readConfig(path: string | undefined): Promise<GatewayConfig> {
  if (path === undefined) throw new FarshoreError('FSH_USAGE', 'usage: node dist/database/gateway/main.js FILE');
  return configSchema.parse(JSON.parse(await readFile(path, 'utf8')));
}

async function main(): Promise<void> {
  const config = await readConfig(process.argv[2]);
  // A transaction passes here a dozen times: waiting for a processor each time is most of what a gateway costs its clients. Not
  // further: a storm of clients must leave enough to the renewals of the agent and the store (P7.1).
  const first = goFirst(-5);
  const gateway = await startGateway(config);
  const control = await listenControl(config.controlSocketPath, gateway);
  let closing = false;
  const stop = (): void => {
    if (closing) return;
    closing = true;
    control.close();
    void gateway.close().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const carrier = poller === null ? 'node' : 'poller';
  process.stdout.write(`${JSON.stringify({ ready: true, pid: process.pid, carrier, first, ...gateway.addresses })}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`gateway: ${messageOf(error)}\n`);
  process.exit(error instanceof FarshoreError ? error.exit : 1);
});
