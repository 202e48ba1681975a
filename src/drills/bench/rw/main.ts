import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, chown, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../../base/errors.ts';
import { assert } from '../../../base/result.ts';
import { type Effort, type Figures, measureBeside, tableOf } from '../../../database/gateway/bench/beside.ts';
import { pgbench, type Target } from '../../../database/gateway/bench/pgbench.ts';
import { freePort, poll, run } from '../../../database/gateway/bench/world.ts';
import { processesOfWorld } from '../../../world/leftovers.ts';
import { type DataNodeLayout, dataNodesOf } from '../../../world/layout.ts';
import type { World } from '../../../world/open.ts';
import { commandLineOf } from '../../../world/proc.ts';
import { withScratchWorld } from '../../scratch-world.ts';

/**
 * What `rw` costs where it stands: in a world, in front of a primary whose commits wait for another region. Direct is
 * PostgreSQL's socket, and TCP as the gateway's clients use it; PgBouncer stands beside the gateway in the same run.
 * `dist/drills/bench/rw/main.js [SECONDS] [ROUNDS] [all | 0ms]`.
 */
const SPEC = fileURLToPath(new URL('../../../../examples/active-passive.yaml', import.meta.url));

type Row = Figures & { readonly label: string };

interface Bouncer {
  readonly port: number;
  readonly pid: number | null;
  stop(): void;
}

/** PgBouncer in front of the world's primary, as the user PostgreSQL runs as: it refuses to be root. */
async function startPgbouncer(world: World, socket: Target): Promise<Bouncer> {
  const { runAs } = world.layout;
  const port = await freePort();
  const file = join(socket.host, 'pgbouncer.ini');
  const database = `app = host=${socket.host} port=${socket.port} user=${socket.user} password=${socket.password}`;
  const door = `listen_addr=127.0.0.1\nlisten_port=${port}\nunix_socket_dir=\nauth_type=any\npool_mode=session`;
  await writeFile(file, `[databases]\n${database}\n[pgbouncer]\n${door}\n`, { mode: 0o600 });
  if (runAs !== null) await chown(file, runAs.uid, runAs.gid);
  const child = spawn('pgbouncer', ['-q', file], { ...runAs, cwd: '/', stdio: 'ignore' });
  await poll('PgBouncer answers', async () => {
    const probe = ['-h', '127.0.0.1', '-p', String(port), '-U', socket.user, '-c', 'select 1', socket.database];
    return (await run('psql', probe)).code === 0;
  });
  return { port, pid: child.pid ?? null, stop: () => child.kill('SIGKILL') };
}

/**
 * The world's PostgreSQL lets the application in by its socket only, and the gateway's clients come by TCP: what is measured
 * as direct must too. This world ends with the bench.
 */
async function admitByTcp(node: DataNodeLayout): Promise<void> {
  await appendFile(join(node.dataDir, 'pg_hba.conf'), 'host app app 127.0.0.1/32 scram-sha-256\n');
  const postmaster = (await readFile(join(node.dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0];
  process.kill(Number(postmaster), 'SIGHUP');
}

/** The gateway of a node, by its mark in the environment and its command line. */
function gatewayPid(world: World, node: DataNodeLayout): number {
  const plan = world.layout.processes.find((it) => it.kind === 'gateway' && it.node === node.id);
  const command = plan?.argv.join(' ');
  const found = processesOfWorld(world.layout).find(({ pid }) => commandLineOf(pid) === command);
  assert(found !== undefined, 'the gateway of the first region runs');
  return found.pid;
}

async function measure(world: World, effort: Effort): Promise<readonly Figures[]> {
  const [node] = dataNodesOf(world.layout);
  assert(node !== undefined, 'the first region has PostgreSQL');
  const { postgres, rw } = node.ports;
  const as = { user: 'app', database: 'app', password: world.secrets.appPassword } as const;
  const socket: Target = { ...as, pid: null, name: 'socket', host: node.postgresRunDir, port: postgres };
  const made = await pgbench(socket, ['-i', '-q', '-s', '10'], effort.dir);
  if (made.code !== 0) throw new Error(made.err);
  await admitByTcp(node);
  const bouncer = await startPgbouncer(world, socket);
  try {
    const byTcp = { ...as, host: '127.0.0.1' };
    const targets: readonly Target[] = [
      socket,
      { ...byTcp, pid: null, name: 'tcp', port: postgres },
      { ...byTcp, pid: gatewayPid(world, node), name: 'gateway', port: rw },
      { ...byTcp, pid: bouncer.pid, name: 'pgbouncer', port: bouncer.port },
    ];
    return await measureBeside(targets, [], effort);
  } finally {
    bouncer.stop();
  }
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 5);
  const rounds = Number(process.argv[3] ?? 3);
  const scales = process.argv[4] === '0ms' ? [0] : [1, 0];
  const dir = mkdtempSync(join(tmpdir(), 'farshore-bench-'));
  const progress = (text: string): void => void process.stderr.write(`${text}\n`);
  const rows: Row[] = [];
  try {
    for (const rttScale of scales) {
      const links = rttScale === 1 ? 'real round trips' : '0 ms';
      const options = { specPath: SPEC, rttScale, env: {}, progress };
      const work = async (world: World): Promise<readonly Row[]> =>
        (await measure(world, { seconds, rounds, dir })).map((it) => ({ label: links, ...it }));
      rows.push(...(await withScratchWorld(options, work)));
    }
    process.stdout.write(`${tableOf('links', rows)}\n${JSON.stringify({ schema: 'farshore.bench.rw/v2', rows })}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exit(1);
});
