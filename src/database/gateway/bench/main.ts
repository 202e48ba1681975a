import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import { type Figures, measureBeside, tableOf } from './beside.ts';
import type { Target } from './pgbench.ts';
import { DEBIAN_15, freePort, poll, run, startPostgres, startTestGateway, tempDir } from './world.ts';
import type { TestPostgres } from './world.ts';

/**
 * What the gateway costs: `node dist/database/gateway/bench/main.js [SECONDS] [ROUNDS]`, needs Debian's postgresql-15 and pgbouncer.
 * Throughput as fast as it goes (8 clients), then the latency at one offered load for all. Everything shares this machine's
 * cores with the client.
 */
const WORKLOADS = [
  { name: 'select-only, prepared', args: ['-S', '-M', 'prepared'] },
  { name: 'select-only, simple', args: ['-S', '-M', 'simple'] },
  { name: 'tpcb-like, simple', args: ['-M', 'simple'] },
] as const;
const AS = { user: 'postgres', database: 'postgres', password: '' } as const;

async function startPgbouncer(
  dir: string,
  postgres: TestPostgres,
): Promise<{ port: number; pid: number | null; stop(): void }> {
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
  return { port, pid: child.pid ?? null, stop: () => child.kill('SIGKILL') };
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 5);
  const rounds = Number(process.argv[3] ?? 3);
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
      { ...AS, pid: null, name: 'socket', host: postgres.socketDir, port: postgres.port },
      { ...AS, pid: null, name: 'tcp', host: '127.0.0.1', port: postgres.port },
      { ...AS, pid: gateway.pid, name: 'gateway', host: '127.0.0.1', port: gateway.rw },
      { ...AS, pid: pgbouncer.pid, name: 'pgbouncer', host: '127.0.0.1', port: pgbouncer.port },
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
    const rows: (Figures & { readonly label: string })[] = [];
    for (const { name, args } of WORKLOADS) {
      const figures = await measureBeside(targets, args, { seconds, rounds, dir: temp.dir });
      rows.push(...figures.map((it) => ({ label: name, ...it })));
    }
    process.stdout.write(
      `${tableOf('workload', rows)}\n${JSON.stringify({ schema: 'farshore.bench.gateway/v2', rows })}\n`,
    );
  } finally {
    for (const step of undo) await step();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exit(1);
});
