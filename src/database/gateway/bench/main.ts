import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import { latencies, median, quantile, type Target, throughput } from './pgbench.ts';
import { DEBIAN_15, freePort, poll, run, startPostgres, startTestGateway, tempDir } from './world.ts';
import type { TestPostgres } from './world.ts';

/**
 * What the gateway costs: `node dist/database/gateway/bench/main.js [SECONDS] [ROUNDS]`, needs Debian's postgresql-15 and pgbouncer.
 * Throughput as fast as it goes (8 clients), then the latency at one offered load for all (40 % of direct): a p99 at full
 * load says only how long the queue is. Everything shares this machine's cores with the client.
 */
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
const OFFERED = 0.4;
const AS = { user: 'postgres', database: 'postgres', password: '' } as const;

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
      { ...AS, name: 'socket', host: postgres.socketDir, port: postgres.port },
      { ...AS, name: 'tcp', host: '127.0.0.1', port: postgres.port },
      { ...AS, name: 'gateway', host: '127.0.0.1', port: gateway.rw },
      { ...AS, name: 'pgbouncer', host: '127.0.0.1', port: pgbouncer.port },
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
