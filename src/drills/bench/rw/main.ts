import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { chown, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../../base/errors.ts';
import { assert } from '../../../base/result.ts';
import {
  latencies,
  median,
  pgbench,
  quantile,
  type Target,
  throughput,
} from '../../../database/gateway/bench/pgbench.ts';
import { freePort, poll, run } from '../../../database/gateway/bench/world.ts';
import { dataNodesOf } from '../../../world/layout.ts';
import type { World } from '../../../world/open.ts';
import { withScratchWorld } from '../../scratch-world.ts';

/**
 * What `rw` costs where it stands: in a world, in front of a primary whose commits wait for another region. Direct is
 * PostgreSQL's socket; PgBouncer stands beside the gateway in the same run. `dist/drills/bench/rw/main.js [SECONDS] [ROUNDS]`.
 */
const SPEC = fileURLToPath(new URL('../../../../examples/active-passive.yaml', import.meta.url));
const OFFERED = 0.4;

interface Row {
  readonly links: string;
  readonly target: string;
  readonly tps: number;
  readonly ofSocket: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p99OverSocketMs: number;
}

interface Bouncer {
  readonly port: number;
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
  return { port, stop: () => child.kill('SIGKILL') };
}

async function measure(
  world: World,
  links: string,
  seconds: number,
  rounds: number,
  dir: string,
): Promise<readonly Row[]> {
  const [node] = dataNodesOf(world.layout);
  assert(node !== undefined, 'the first region has PostgreSQL');
  const { postgres, rw } = node.ports;
  const as = { user: 'app', database: 'app', password: world.secrets.appPassword } as const;
  const socket: Target = { ...as, name: 'socket', host: node.postgresRunDir, port: postgres };
  const made = await pgbench(socket, ['-i', '-q', '-s', '10'], dir);
  if (made.code !== 0) throw new Error(made.err);
  const bouncer = await startPgbouncer(world, socket);
  try {
    const targets: readonly Target[] = [
      socket,
      { ...as, name: 'gateway', host: '127.0.0.1', port: rw },
      { ...as, name: 'pgbouncer', host: '127.0.0.1', port: bouncer.port },
    ];
    const tps = new Map<string, number[]>(targets.map((target) => [target.name, []]));
    // Round by round, so that a slow moment of the machine meets everyone.
    for (let round = 0; round < rounds; round += 1) {
      for (const target of targets) tps.get(target.name)?.push(await throughput(target, [], seconds, dir));
    }
    const direct = median(tps.get('socket') ?? []);
    const times = new Map<string, readonly number[]>();
    for (const target of targets)
      times.set(target.name, await latencies(target, [], 2 * seconds, direct * OFFERED, dir));
    const p99 = (name: string): number => quantile(times.get(name) ?? [], 0.99);
    return targets.map(({ name }) => ({
      links,
      target: name,
      tps: median(tps.get(name) ?? []),
      ofSocket: median(tps.get(name) ?? []) / direct,
      p50Ms: quantile(times.get(name) ?? [], 0.5),
      p99Ms: p99(name),
      p99OverSocketMs: p99(name) - p99('socket'),
    }));
  } finally {
    bouncer.stop();
  }
}

function print(rows: readonly Row[]): void {
  const head =
    '| links | target | transactions/s | × socket | p50, ms | p99, ms | p99 - socket, ms |\n|---|---|---|---|---|---|---|';
  const lines = rows.map((row) => {
    const figures = [
      row.tps.toFixed(0),
      row.ofSocket.toFixed(2),
      row.p50Ms.toFixed(1),
      row.p99Ms.toFixed(1),
      row.p99OverSocketMs.toFixed(1),
    ];
    return `| ${[row.links, row.target, ...figures].join(' | ')} |`;
  });
  process.stdout.write(`${head}\n${lines.join('\n')}\n${JSON.stringify({ schema: 'farshore.bench.rw/v1', rows })}\n`);
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 5);
  const rounds = Number(process.argv[3] ?? 3);
  const dir = mkdtempSync(join(tmpdir(), 'farshore-bench-'));
  const progress = (text: string): void => void process.stderr.write(`${text}\n`);
  const rows: Row[] = [];
  try {
    for (const rttScale of [1, 0]) {
      const links = rttScale === 1 ? 'real round trips' : '0 ms';
      const options = { specPath: SPEC, rttScale, env: {}, progress };
      rows.push(...(await withScratchWorld(options, (world) => measure(world, links, seconds, rounds, dir))));
    }
    print(rows);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exit(1);
});
