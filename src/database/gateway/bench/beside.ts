import { readFileSync } from 'node:fs';
import { latencies, median, quantile, type Target, throughput } from './pgbench.ts';

/** Several ways to one database, measured beside each other. */
export interface Figures {
  readonly target: Target['name'];
  readonly tps: number;
  readonly ofSocket: number;
  readonly ofTcp: number;
  /** User and kernel time of the proxy per transaction; null for PostgreSQL itself. */
  readonly cpuUsPerTransaction: number | null;
  readonly offeredPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p99OverTcpMs: number;
}

export interface Effort {
  readonly seconds: number;
  readonly rounds: number;
  readonly dir: string;
}

/**
 * Offered for the latencies, as a part of what direct TCP can do: what a proxy adds is seen where nobody waits for a core. At
 * more, the p99 of the slowest is the length of its queue.
 */
const OFFERED = 0.2;
/** `utime` and `stime` count in hundredths of a second on Linux. */
const TICK_US = 10_000;

function cpuUs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

interface Runs {
  readonly target: Target;
  readonly tps: number[];
  readonly cpuUs: number[];
  readonly p50Ms: number[];
  readonly p99Ms: number[];
}

/**
 * Round by round and target by target, so that a slow moment of the machine meets everyone; each figure is the median of the
 * rounds. `targets` hold `socket` and `tcp`.
 */
export async function measureBeside(
  targets: readonly Target[],
  args: readonly string[],
  { seconds, rounds, dir }: Effort,
): Promise<readonly Figures[]> {
  const all: readonly Runs[] = targets.map((target) => ({ target, tps: [], cpuUs: [], p50Ms: [], p99Ms: [] }));
  const of = (name: Target['name'], what: 'tps' | 'p99Ms'): number =>
    median(all.find((it) => it.target.name === name)?.[what] ?? []);
  for (let round = 0; round < rounds; round += 1) {
    for (const { target, ...runs } of all) {
      const beforeUs = target.pid === null ? 0 : cpuUs(target.pid);
      const tps = await throughput(target, args, seconds, dir);
      runs.tps.push(tps);
      if (target.pid !== null) runs.cpuUs.push((cpuUs(target.pid) - beforeUs) / (tps * seconds));
    }
  }
  const offeredPerSecond = Math.round(of('tcp', 'tps') * OFFERED);
  for (let round = 0; round < rounds; round += 1) {
    for (const { target, ...runs } of all) {
      const times = await latencies(target, args, seconds, offeredPerSecond, dir);
      runs.p50Ms.push(quantile(times, 0.5));
      runs.p99Ms.push(quantile(times, 0.99));
    }
  }
  return all.map(({ target, ...runs }) => ({
    target: target.name,
    tps: median(runs.tps),
    ofSocket: median(runs.tps) / of('socket', 'tps'),
    ofTcp: median(runs.tps) / of('tcp', 'tps'),
    cpuUsPerTransaction: target.pid === null ? null : median(runs.cpuUs),
    offeredPerSecond,
    p50Ms: median(runs.p50Ms),
    p99Ms: median(runs.p99Ms),
    p99OverTcpMs: median(runs.p99Ms) - of('tcp', 'p99Ms'),
  }));
}

/** A table in Markdown, one line for each target; `label` says what was measured. */
export function tableOf(what: string, rows: readonly (Figures & { readonly label: string })[]): string {
  const head = [
    what,
    'target',
    'transactions/s',
    '× socket',
    '× TCP',
    'CPU of the proxy, µs/transaction',
    'offered/s',
    'p50, ms',
    'p99, ms',
    'p99 - TCP, ms',
  ];
  const lines = rows.map((row) => [
    row.label,
    row.target,
    row.tps.toFixed(0),
    row.ofSocket.toFixed(2),
    row.ofTcp.toFixed(2),
    row.cpuUsPerTransaction?.toFixed(0) ?? '',
    row.offeredPerSecond.toFixed(0),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.p99OverTcpMs.toFixed(2),
  ]);
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
