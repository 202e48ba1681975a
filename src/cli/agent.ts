import { readFile } from 'node:fs/promises';
import { Agent } from '../agent/agent.ts';
import { startAgentApi } from '../agent/http-api.ts';
import { httpNetwork } from '../agent/http-network.ts';
import type { KeeperPids } from '../agent/status.ts';
import { authOf, connectStore } from '../coordination/etcd/client.ts';
import { connectGateway } from '../database/gateway/client.ts';
import { connectKeeper, type KeeperClient } from '../database/keeper/client.ts';
import { openPostgres } from '../database/postgres/region-database.ts';
import { decideFailover } from '../decide/failover/decide.ts';
import type { AgentConfig, Secrets } from '../ports/config.ts';
import { createLog } from '../telemetry/log.ts';
import { nodeClock } from '../telemetry/node-clock.ts';
import { processFile } from './process-file.ts';
import { terminated } from './terminated.ts';
import { sabotagedDecision } from './sabotage.ts';

/** `farshore agent FILE`: the loop of one node, until SIGTERM. */
export async function agent(argv: readonly string[]): Promise<number> {
  const file = processFile('agent', argv);
  if (file === null) return 0;
  const config = JSON.parse(await readFile(file, 'utf8')) as AgentConfig;
  const secrets = JSON.parse(await readFile(config.secretsPath, 'utf8')) as Secrets;
  const log = createLog(`agent ${config.node}`);
  const store = connectStore({
    urls: config.storeUrls,
    auth: authOf(config.storeKind, secrets),
    timeoutMs: config.knobs.storeCallTimeoutMs,
    clock: nodeClock,
  });
  const database = config.database === null ? null : openPostgres(config.database, nodeClock);
  const keeper = config.database === null ? null : connectKeeper(config.database.keeperSocketPath);
  const gateway = config.database === null ? null : connectGateway(config.database.gatewayControlPath);
  const network = httpNetwork(config.peers, secrets, nodeClock);
  const decide = sabotagedDecision(process.env['FARSHORE_SABOTAGE'], log) ?? decideFailover;
  const running = new Agent({ config, clock: nodeClock, store, network, database, gateway, log, decide });
  const server = await startAgentApi(running, config, secrets.agentToken, () => pidsOf(keeper), nodeClock);
  // PostgreSQL's end is known at once, not at the next look.
  keeper?.onEvent(() => running.wake());
  running.start();
  await terminated();
  await running.stop();
  server.close();
  server.closeAllConnections();
  gateway?.close();
  keeper?.close();
  await database?.close();
  await store.close();
  return 0;
}

async function pidsOf(keeper: KeeperClient | null): Promise<KeeperPids> {
  if (keeper === null) return { keeperPid: null, postgresPid: null };
  try {
    const reply = await keeper.call({ do: 'status' }, 500);
    return reply.ok
      ? { keeperPid: reply.status.pid, postgresPid: reply.status.postgres?.pid ?? null }
      : { keeperPid: null, postgresPid: null };
  } catch {
    // No keeper answers: status says so by having no pid.
    return { keeperPid: null, postgresPid: null };
  }
}
