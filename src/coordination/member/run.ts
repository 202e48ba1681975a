import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MemberConfig } from '../../ports/config.ts';
import { protect } from './protect.ts';
import { startRelay } from './relay.ts';

/**
 * One member of etcd until SIGTERM: its relay, etcd itself, and at the first start its users. Resolves to the exit code; etcd's
 * own end is this process's end, so that whoever started it starts it again.
 */
export async function runMember(configPath: string): Promise<number> {
  const config = JSON.parse(await readFile(configPath, 'utf8')) as MemberConfig;
  const { storeToken } = JSON.parse(await readFile(config.secretsPath, 'utf8')) as { readonly storeToken: string };
  const relay = await startRelay(config);
  const etcd = startEtcd(config);
  const ended = once(etcd, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => etcd.kill('SIGTERM'));
  const clock = { sleep: (ms: number) => sleep(ms) };
  void protect(config.client, storeToken, clock, () => etcd.exitCode === null && etcd.signalCode === null);
  const [code, signal] = await ended;
  relay.close();
  relay.closeAllConnections();
  return code ?? (signal === 'SIGTERM' ? 0 : 1);
}

/** In this process's group: who kills the group, or every descendant, kills it too. */
function startEtcd(config: MemberConfig): ChildProcess {
  const { host, port } = config.relay;
  const env = { ...process.env, HTTP_PROXY: `http://${host}:${port}`, NO_PROXY: '' };
  return spawn(config.binary, argumentsOf(config), { stdio: 'inherit', env });
}

export function argumentsOf(config: MemberConfig): readonly string[] {
  const client = `http://${config.client.host}:${config.client.port}`;
  const own = config.members.find((member) => member.name === config.name);
  return [
    `--name=${config.name}`,
    `--data-dir=${config.dataDir}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=http://${config.peer.host}:${config.peer.port}`,
    `--initial-advertise-peer-urls=${own?.url ?? ''}`,
    `--initial-cluster=${config.members.map(({ name, url }) => `${name}=${url}`).join(',')}`,
    `--heartbeat-interval=${config.heartbeatMs}`,
    `--election-timeout=${config.electionMs}`,
    // A member that was cut off does not end the reign of a healthy leader when it comes back.
    '--pre-vote=true',
    // Watches tell a dead stream from a quiet one.
    '--experimental-watch-progress-notify-interval=1s',
    // Verdicts and positions are written all the time: without this the history fills the disk.
    '--auto-compaction-mode=periodic',
    '--auto-compaction-retention=10m',
    // The password is 24 random bytes: a slow hash protects nothing more, and holds up every login.
    '--bcrypt-cost=4',
    '--logger=zap',
    '--log-level=warn',
  ];
}
