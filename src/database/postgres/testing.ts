import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import type { Clock } from '../../base/clock.ts';
import { inVerify } from '../../base/long.testing.ts';
import { type NodeId, nodeId, placeId, slug } from '../../base/ids.ts';
import { assert, type Outcome } from '../../base/result.ts';
import type { PostgresConfig, Secrets } from '../../ports/config.ts';
import type { DatabaseStatus, RegionDatabase, Upstream } from '../../ports/database.ts';
import type { KeeperConfig } from '../../ports/keeper.ts';
import { type KeeperClient, connectKeeper } from '../keeper/client.ts';
import { freePort } from '../../world/free-ports.ts';
import { connectTo } from './connections.ts';
import { type LocatedBinaries, locateBinaries } from './locate-binaries.ts';
import { openPostgres } from './region-database.ts';
import { chooseRunAs } from './run-as.ts';

const DEBIAN = '/usr/lib/postgresql';

/** PostgreSQLs to test against: the npm package's, and every system one from 15. */
export const postgresVersions: readonly { readonly label: string; readonly postgresBin?: string }[] = [
  { label: 'npm' },
  ...(existsSync(DEBIAN) ? readdirSync(DEBIAN) : [])
    .filter((major) => Number(major) >= 15 && existsSync(`${DEBIAN}/${major}/bin/initdb`))
    .map((major) => ({ label: major, postgresBin: `${DEBIAN}/${major}/bin` })),
];

/**
 * One of them, and in `npm run verify` all: for what the contract (database.real.test.ts), the salvage and the gateway's waits, which
 * run on all of them everywhere, do not leave to the version.
 */
export const oneVersionOrMore = [...postgresVersions.slice(0, 1), ...inVerify(...postgresVersions.slice(1))];

/** The real clock, for tests that run real processes. */
export const realClock: Clock = {
  nowMs: () => Number(process.hrtime.bigint()) / 1e6,
  wallMs: () => Date.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const abort = (): void => (clearTimeout(timer), reject(signal?.reason));
      const timer = setTimeout(() => (signal?.removeEventListener('abort', abort), resolve()), delayMs);
      signal?.addEventListener('abort', abort, { once: true });
    }),
};

/** One node with its keeper, in a temporary folder. */
export interface TestNode {
  readonly node: NodeId;
  readonly config: PostgresConfig;
  readonly db: RegionDatabase;
  readonly keeper: KeeperClient;
  readonly keeperPid: number;
  /** This node as an upstream of others. */
  upstream(epoch: number): Upstream;
  /** A connection over the Unix socket, as the gateway makes it. */
  connect(user: 'app' | 'farshore_admin', database?: string): Promise<pg.Client>;
  /** Starts a keeper again after `keeperPid` was killed. */
  restartKeeper(): Promise<void>;
}

export interface TestGroup {
  readonly dir: string;
  readonly nodes: readonly TestNode[];
  /** Kills every process and removes the folder. */
  end(): Promise<void>;
}

export interface TestGroupOptions {
  readonly names: readonly string[];
  /** Folder of a system PostgreSQL; without it the npm package is used. */
  readonly postgresBin?: string;
  /** Put into the path, to see that a space in it works. */
  readonly folder?: string;
}

/** Makes keepers and database objects for `names`; no cluster yet. Needs `npm run build`. */
export async function startTestGroup(options: TestGroupOptions): Promise<TestGroup> {
  const dir = await mkdtemp(join(tmpdir(), options.folder ?? 'farshore-'));
  // mkdtemp makes it 0700: when root runs the tests, PostgreSQL's user must get through.
  await chmod(dir, 0o755);
  const runAs = chooseRunAs();
  const binaries = await locateBinaries({
    runAs,
    cacheDir: runAs === null ? join(dir, 'cache') : '/var/lib/farshore',
    ...(options.postgresBin === undefined ? {} : { postgresBin: options.postgresBin }),
  });
  const secretsPath = join(dir, 'secrets.json');
  await writeFile(secretsPath, JSON.stringify(SECRETS), { mode: 0o600 });
  const members = options.names.map((name) => nodeId(placeId(`aws:${name}`), 'n1'));
  const children = new Set<ChildProcess>();
  const nodes: TestNode[] = [];
  for (const node of members) {
    nodes.push(await startTestNode({ dir, node, members, runAs, binaries, secretsPath, children }));
  }
  return {
    dir,
    nodes,
    async end() {
      for (const { db, keeper } of nodes) {
        await keeper.call({ do: 'stop', how: 'kill', graceMs: 0 }, 30_000).catch(() => undefined);
        keeper.close();
        await db.close();
      }
      for (const child of children) child.kill('SIGKILL');
      await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** `value` of an outcome that must be `done`. */
export function must<T>(outcome: Outcome<T>): T {
  if (outcome.kind !== 'done') throw new Error(`expected done, got ${JSON.stringify(outcome)}`);
  return outcome.value;
}

/** Polls the status until it is as wanted; throws with the last one after `timeoutMs`. */
export async function until(
  db: RegionDatabase,
  wanted: (status: DatabaseStatus) => boolean,
  timeoutMs = 20_000,
): Promise<DatabaseStatus> {
  const deadlineMs = realClock.nowMs() + timeoutMs;
  for (;;) {
    const status = await db.status();
    if (wanted(status)) return status;
    if (realClock.nowMs() > deadlineMs) throw new Error(`not reached: ${JSON.stringify(status)}`);
    await realClock.sleep(10);
  }
}

const SECRETS: Secrets = {
  adminPassword: "admin's:pass\\word",
  replicationPassword: 'replication:pass\\word',
  appPassword: 'app-password',
  agentToken: 'token-of-the-agent',
  gatewayToken: 'token-of-the-gateway',
  storeToken: 'token-of-the-store',
};

interface NodeParts {
  readonly dir: string;
  readonly node: NodeId;
  readonly members: readonly NodeId[];
  readonly runAs: ReturnType<typeof chooseRunAs>;
  readonly binaries: LocatedBinaries;
  readonly secretsPath: string;
  readonly children: Set<ChildProcess>;
}

async function startTestNode(parts: NodeParts): Promise<TestNode> {
  const { dir, node, runAs, binaries, children } = parts;
  const home = join(dir, slug(node));
  await mkdir(home, { recursive: true, mode: 0o755 });
  const shared = { dataDir: join(home, 'data'), logPath: join(home, 'postgres.log'), runAs, ...binaries };
  const keeperConfig: KeeperConfig = { ...shared, socketPath: join(home, 'keeper.sock'), env: {} };
  const config: PostgresConfig = {
    ...shared,
    group: 'main',
    node,
    members: parts.members,
    runDir: join(home, 'run'),
    host: '127.0.0.1',
    port: await freePort(),
    keeperSocketPath: keeperConfig.socketPath,
    secretsPath: parts.secretsPath,
  };
  const keeperFile = join(home, 'keeper.json');
  await writeFile(keeperFile, JSON.stringify(keeperConfig));
  let keeperPid = await launchKeeper(keeperFile, keeperConfig.socketPath, children);
  return {
    node,
    config,
    db: openPostgres(config, realClock),
    keeper: connectKeeper(keeperConfig.socketPath),
    get keeperPid() {
      return keeperPid;
    },
    upstream: (epoch) => ({ node, epoch, host: config.host, port: config.port }),
    connect: (user, database = 'app') => {
      const password = user === 'app' ? SECRETS.appPassword : SECRETS.adminPassword;
      return connectTo({ host: config.runDir, port: config.port, user, password, database, timeoutMs: 5_000 });
    },
    restartKeeper: async () => {
      keeperPid = await launchKeeper(keeperFile, keeperConfig.socketPath, children);
    },
  };
}

/** The keeper runs from `dist/`, as it is shipped. */
async function launchKeeper(file: string, socketPath: string, children: Set<ChildProcess>): Promise<number> {
  const main = fileURLToPath(new URL('../../../dist/database/keeper/main.js', import.meta.url));
  const child = spawn(process.execPath, [main, file], { stdio: ['ignore', 'inherit', 'inherit'] });
  children.add(child);
  const client = connectKeeper(socketPath);
  for (let tries = 0; tries < 500; tries++) {
    const reply = await client.call({ do: 'status' }).catch(() => null);
    if (reply?.ok === true && reply.status.pid === child.pid) {
      client.close();
      return reply.status.pid;
    }
    await realClock.sleep(10);
  }
  throw new Error(`no keeper on ${socketPath}`);
}

/** A primary of epoch 1, and a standby that followed it and stands isolated now. */
export async function pairOf(group: TestGroup): Promise<readonly [TestNode, TestNode]> {
  const [a, b] = group.nodes;
  assert(a !== undefined && b !== undefined, 'two nodes');
  must(await a.db.init(() => undefined));
  must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
  must(await b.db.clone(a.upstream(1), () => undefined, new AbortController().signal));
  must(await b.db.startIsolated());
  must(await b.db.follow(a.upstream(1)));
  await until(b.db, (status) => status.receiving);
  must(await b.db.detach());
  await until(b.db, (status) => status.localWalReplayed);
  return [a, b];
}

/** The primary keeps no WAL that it does not need itself, whatever its slots say. */
export async function forgetWal(a: TestNode): Promise<void> {
  const admin = await a.connect('farshore_admin');
  await admin.query(`ALTER SYSTEM SET wal_keep_size = 0`);
  await admin.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
  await admin.query('SELECT pg_reload_conf()');
  await admin.query('CREATE TABLE later AS SELECT 1 AS id');
  const segments = async (): Promise<string> =>
    String((await admin.query('SELECT min(name) AS first FROM pg_ls_waldir()')).rows[0]?.first);
  const before = await segments();
  for (let tries = 0; tries < 20 && (await segments()) === before; tries += 1) {
    await admin.query('SELECT pg_switch_wal()');
    await admin.query('INSERT INTO later VALUES (1)');
    await admin.query('CHECKPOINT');
  }
  assert((await segments()) !== before, 'the primary has removed old WAL');
  await admin.end();
}
