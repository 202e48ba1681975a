import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import { DEBIAN_15, freePort, poll, run, startPostgres, startTestGateway, tempDir } from './world.ts';
import type { TestPostgres } from './world.ts';

/**
 * What the gateway costs: `node dist/database/gateway/bench/main.js [SECONDS] [ROUNDS]`, needs Debian's postgresql-15 and pgbouncer.
 * Throughput as fast as it goes (8 clients), then the latency at one offered load for all (40 % of direct): a p99 at full
 * load says only how long the queue is. Everything shares this machine's cores with the client.
 */
interface Target {
  readonly name: 'socket' | 'tcp' | 'gateway' | 'pgbouncer';
  readonly host: string;
  readonly port: number;
}
interface Row {
  readonly workload: string;
  readonly target: string;
  readonly tps: number;
  readonly ofSocket: number;
  readonly ofTcp: number;
  readonly ofPgbouncer: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p99OverTcpMs: number;
}

const WORKLOADS = [
  { name: 'select-only, prepared', args: ['-S', '-M', 'prepared'] },
  { name: 'select-only, simple', args: ['-S', '-M', 'simple'] },
  { name: 'tpcb-like, simple', args: ['-M', 'simple'] },
] as const;
const CLIENTS = ['-n', '-c', '8', '-j', '2', '-U', 'postgres'];
const OFFERED = 0.4;

const pgbench = (target: Target, args: readonly string[], cwd: string) =>
  run(join(DEBIAN_15, 'pgbench'), [...CLIENTS, '-h', target.host, '-p', String(target.port), ...args, 'postgres'], {
    cwd,
  });

async function throughput(target: Target, args: readonly string[], seconds: number, cwd: string): Promise<number> {
  const { out, err } = await pgbench(target, [...args, '-T', String(seconds)], cwd);
  const tps = Number(/tps = ([\d.]+)/.exec(out)?.[1]);
  if (!(tps > 0) || /error/.test(err)) throw new Error(`pgbench on ${target.name}: ${err}`);
  return tps;
}

/** Milliseconds of every transaction at `perSecond`, from pgbench's own log. */
async function latencies(
  target: Target,
  args: readonly string[],
  seconds: number,
  perSecond: number,
  dir: string,
): Promise<readonly number[]> {
  const cwd = await mkdtemp(join(dir, 'log-'));
  await pgbench(target, [...args, '-T', String(seconds), '-R', String(Math.round(perSecond)), '--log'], cwd);
  const times: number[] = [];
  for (const file of await readdir(cwd)) {
    for (const line of (await readFile(join(cwd, file), 'utf8')).split('\n')) {
      const microseconds = Number(line.split(' ')[2]);
      if (microseconds > 0) times.push(microseconds / 1_000);
    }
  }
  await rm(cwd, { recursive: true });
  if (times.length === 0) throw new Error(`pgbench on ${target.name} logged nothing`);
  return times.sort((a, b) => a - b);
}

const quantile = (sorted: readonly number[], q: number): number => sorted[Math.floor((sorted.length - 1) * q)] ?? 0;
const median = (values: readonly number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

async function measure(
  targets: readonly Target[],
  dir: string,
  seconds: number,
  rounds: number,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const workload of WORKLOADS) {
    const tps = new Map<string, number[]>(targets.map((target) => [target.name, []]));
    // Round by round, so that a slow moment of the machine meets everyone.
    for (let round = 0; round < rounds; round += 1) {
      for (const target of targets) tps.get(target.name)?.push(await throughput(target, workload.args, seconds, dir));
    }
    const of = (name: Target['name']): number => median(tps.get(name) ?? []);
    const slow = new Map<string, readonly number[]>();
    for (const target of targets) {
      slow.set(target.name, await latencies(target, workload.args, seconds, of('tcp') * OFFERED, dir));
    }
    for (const target of targets) {
      const times = slow.get(target.name) ?? [];
      const mine = of(target.name);
      rows.push({
        workload: workload.name,
        target: target.name,
        tps: mine,
        ofSocket: mine / of('socket'),
        ofTcp: mine / of('tcp'),
        ofPgbouncer: mine / of('pgbouncer'),
        p50Ms: quantile(times, 0.5),
        p99Ms: quantile(times, 0.99),
        p99OverTcpMs: quantile(times, 0.99) - quantile(slow.get('tcp') ?? [], 0.99),
      });
    }
  }
  return rows;
}

async function startPgbouncer(dir: string, postgres: TestPostgres): Promise<{ port: number; stop(): void }> {
  const port = await freePort();
  const file = join(postgres.socketDir, 'pgbouncer.ini');
  const lines = [
    '[databases]',
    `postgres = host=${postgres.socketDir} port=${postgres.port} user=postgres`,
    '[pgbouncer]',
    `listen_addr=127.0.0.1\nlisten_port=${port}\nunix_socket_dir=\nauth_type=any\npool_mode=session`,
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const child = spawn('pgbouncer', ['-q', file], { ...postgres.as, cwd: dir, stdio: 'ignore' });
  await poll('PgBouncer answers', async () => {
    const probe = await run('psql', [
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-U',
      'postgres',
      '-c',
      'select 1',
      'postgres',
    ]);
    return probe.code === 0;
  });
  return { port, stop: () => child.kill('SIGKILL') };
}

function print(rows: readonly Row[]): void {
  const cells = rows.map((row) => [
    row.workload.padEnd(22),
    row.target.padEnd(10),
    row.tps.toFixed(0).padStart(7),
    row.ofSocket.toFixed(2).padStart(8),
    row.ofTcp.toFixed(2).padStart(5),
    row.ofPgbouncer.toFixed(2).padStart(11),
    row.p50Ms.toFixed(2).padStart(7),
    row.p99Ms.toFixed(2).padStart(7),
    row.p99OverTcpMs.toFixed(2).padStart(9),
  ]);
  const head = [
    'workload              ',
    'target    ',
    '    tps',
    'x socket',
    'x tcp',
    'x pgbouncer',
    ' p50 ms',
    ' p99 ms',
    'p99 - tcp',
  ];
  process.stdout.write(`${[head, ...cells].map((row) => row.join('  ')).join('\n')}\n`);
  process.stdout.write(`${JSON.stringify({ schema: 'farshore.bench.gateway/v1', rows })}\n`);
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 5);
  const rounds = Number(process.argv[3] ?? 1);
  const temp = await tempDir();
  const undo: (() => Promise<void> | void)[] = [() => temp.remove()];
  try {
    const postgres = await startPostgres(join(temp.dir, 'pg'), DEBIAN_15);
    undo.unshift(() => postgres.stop());
    const gateway = await startTestGateway(temp.dir, 'bench', postgres);
    undo.unshift(() => gateway.stop());
    await gateway.table();
    const pgbouncer = await startPgbouncer(temp.dir, postgres);
    undo.unshift(() => pgbouncer.stop());
    const targets: readonly Target[] = [
      { name: 'socket', host: postgres.socketDir, port: postgres.port },
      { name: 'tcp', host: '127.0.0.1', port: postgres.port },
      { name: 'gateway', host: '127.0.0.1', port: gateway.rw },
      { name: 'pgbouncer', host: '127.0.0.1', port: pgbouncer.port },
    ];
    const made = await run(join(DEBIAN_15, 'pgbench'), [
      '-i',
      '-q',
      '-s',
      '10',
      '-U',
      'postgres',
      '-h',
      postgres.socketDir,
      '-p',
      String(postgres.port),
      'postgres',
    ]);
    if (made.code !== 0) throw new Error(made.err);
    print(await measure(targets, temp.dir, seconds, rounds));
  } finally {
    for (const step of undo) await step();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exit(1);
});
