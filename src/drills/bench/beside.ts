/** What the benches of the planes are: servers measured beside each other, one after the other in every round, and a table of medians. */
import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OTHERS, started } from './machine.ts';

/** One server that can stand in front of something, its data in `dir`. */
export interface Peer {
  readonly name: string;
  /** Null: it can be started; else why not. */
  readonly missing: string | null;
  /** Starts it on `port`, in front of what listens on `behindPort`. Resolves with the process whose CPU time counts, children included. */
  start(port: number, behindPort: number, dir: string): Promise<ChildProcess>;
}

/** `--seconds 5 --rounds 3 --rate N --only WORD --json` */
export function optionsOf(rate: number) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '5' },
      rounds: { type: 'string', default: '3' },
      rate: { type: 'string', default: String(rate) },
      only: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
    },
  });
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
  return { ...values, seconds, rounds, rate: Number(values.rate) };
}

type Options = ReturnType<typeof optionsOf>;
type Figures = Readonly<Record<string, number>>;

export interface Bench<P extends Peer, F extends Figures> {
  readonly name: 'edge' | 'dns';
  readonly peers: readonly P[];
  readonly firstPort: number;
  readonly behindPort: number;
  /** Starts what stands behind all of them. */
  readonly prepare: (dir: string) => Promise<void>;
  /** One round of one of them. */
  readonly measure: (port: number, pid: number, dir: string) => Promise<F>;
  /** Figures that add up over the rounds; of the others the median counts. */
  readonly sums: readonly (keyof F)[];
  /** The first heads the names, the others what `cells` returns. */
  readonly heads: readonly string[];
  readonly cells: (row: Row<F>, peer: P, ours: Row<F>) => readonly (string | number)[];
}

type Row<F extends Figures> = F & { readonly name: string };

/** This process is part of the load. The first peer is ours. */
export async function runBench<P extends Peer, F extends Figures>(bench: Bench<P, F>, options: Options): Promise<void> {
  spawnSync('taskset', ['-a', '-cp', OTHERS, String(process.pid)]);
  const dir = mkdtempSync(join(tmpdir(), `farshore-bench-${bench.name}-`));
  const here = wanted(bench.peers, options.only);
  try {
    await bench.prepare(dir);
    const rounds = await runRounds(bench, here, options.rounds, dir);
    const rows = here.map((peer) => summed(bench, peer.name, rounds.get(peer) ?? []));
    process.stdout.write(options.json ? jsonOf(bench, options, rows) : tableOf(bench, here, rows));
  } finally {
    await endAll();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** nginx ends its workers only when it is asked. */
export async function endAll(): Promise<void> {
  for (const child of started) child.kill('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 500));
  for (const child of started) child.kill('SIGKILL');
}

function wanted<P extends Peer>(peers: readonly P[], only: readonly string[] | undefined): readonly P[] {
  const chosen = peers.filter(({ name }) => only === undefined || only.some((word) => name.includes(word)));
  for (const { name, missing } of chosen) if (missing !== null) process.stderr.write(`left out: ${name}: ${missing}\n`);
  return chosen.filter(({ missing }) => missing === null);
}

async function runRounds<P extends Peer, F extends Figures>(
  { measure, firstPort, behindPort }: Bench<P, F>,
  peers: readonly P[],
  count: number,
  dir: string,
): Promise<ReadonlyMap<P, readonly F[]>> {
  const rounds = new Map<P, F[]>(peers.map((peer) => [peer, []]));
  let port = firstPort;
  for (let n = 1; n <= count; n += 1) {
    for (const [peer, figures] of rounds) {
      const server = await peer.start(port, behindPort, dir);
      try {
        figures.push(await measure(port, server.pid ?? 0, dir));
      } finally {
        server.kill('SIGTERM');
        await new Promise((resolve) => setTimeout(resolve, 500));
        server.kill('SIGKILL');
      }
      process.stderr.write(`round ${n} of ${count}: ${peer.name}\n`);
      // The next one beside it is for a helper of the server.
      port += 2;
    }
  }
  return rounds;
}

function summed<F extends Figures>({ sums }: Pick<Bench<Peer, F>, 'sums'>, name: string, rounds: readonly F[]): Row<F> {
  const names: readonly (keyof F)[] = Object.keys(rounds[0] ?? {});
  const figures = names.map((figure) => {
    const all = rounds.map((round) => round[figure] ?? Number.NaN);
    return [figure, sums.includes(figure) ? all.reduce((sum, it) => sum + it, 0) : median(all)];
  });
  return { ...(Object.fromEntries(figures) as F), name };
}

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;

/** The value that the share `at` of sorted ones does not exceed. */
export const quantile = (sorted: readonly number[], at: number): number =>
  sorted[Math.floor(at * (sorted.length - 1))] ?? Number.NaN;

const jsonOf = <F extends Figures>({ name }: { readonly name: string }, { rate }: Options, rows: readonly Row<F>[]) =>
  `${JSON.stringify({ schema: `farshore.bench.${name}/v1`, rate, rows })}\n`;

function tableOf<P extends Peer, F extends Figures>(
  { heads, cells }: Bench<P, F>,
  peers: readonly P[],
  rows: readonly Row<F>[],
): string {
  const [ours] = rows;
  const lines = rows.flatMap((row, i) => {
    const peer = peers[i];
    return peer === undefined || ours === undefined ? [] : [[row.name, ...cells(row, peer, ours)]];
  });
  return [heads, heads.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |\n`).join('');
}
