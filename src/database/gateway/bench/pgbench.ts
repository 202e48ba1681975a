import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DEBIAN_15, run } from './world.ts';

/** One way to a database that is measured beside others. */
export interface Target {
  readonly name: 'socket' | 'tcp' | 'gateway' | 'pgbouncer';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: string;
  /** The proxy's process, whose CPU time is counted; null for PostgreSQL itself. */
  readonly pid: number | null;
}

const CLIENTS = ['-n', '-c', '8', '-j', '2'];

export function pgbench(target: Target, args: readonly string[], cwd: string) {
  const { host, port, user, database, password } = target;
  const to = ['-h', host, '-p', String(port), '-U', user];
  return run(join(DEBIAN_15, 'pgbench'), [...to, ...args, database], {
    cwd,
    env: { ...process.env, PGPASSWORD: password },
  });
}

/** Transactions a second, as fast as it goes. */
export async function throughput(
  target: Target,
  args: readonly string[],
  seconds: number,
  cwd: string,
): Promise<number> {
  const { out, err } = await pgbench(target, [...CLIENTS, ...args, '-T', String(seconds)], cwd);
  const tps = Number(/tps = ([\d.]+)/.exec(out)?.[1]);
  if (!(tps > 0) || /error/.test(err)) throw new Error(`pgbench on ${target.name}: ${err}`);
  return tps;
}

/** Milliseconds of every transaction at `perSecond`, sorted, from pgbench's own log. */
export async function latencies(
  target: Target,
  args: readonly string[],
  seconds: number,
  perSecond: number,
  dir: string,
): Promise<readonly number[]> {
  const cwd = await mkdtemp(join(dir, 'log-'));
  const paced = ['-T', String(seconds), '-R', String(Math.round(perSecond)), '--log'];
  await pgbench(target, [...CLIENTS, ...args, ...paced], cwd);
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

export const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.floor((sorted.length - 1) * q)] ?? 0;
export const median = (values: readonly number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
