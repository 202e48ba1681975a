import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuSecondsOf, started, startStore } from '../machine.ts';
import { openLoop } from './open-loop.ts';
import { type Peer, PEERS, startUpstream, TABLE } from './peers.ts';

/**
 * Farshore's edge, and HAProxy as Farshore drives it, beside what people use today: the same requests, the same upstream, the same
 * run. The server that is measured has one core, load and upstream share the other. Throughput with wrk on kept connections, in
 * requests per second of the server's CPU time; latency at one offered rate for all, from the moment each request was due.
 * `npm run bench:edge [-- --seconds 5 --rounds 3 --rate 2000 --only nginx]`
 */
const CONNECTIONS = 64;
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '2000' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});

interface Round {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

const FIRST_PORT = 18_100;
const UPSTREAM_PORT = 18_090;

async function measure(peer: Peer, port: number, dir: string): Promise<Round> {
  const server = await peer.start(port, UPSTREAM_PORT, dir);
  const pid = server.pid ?? 0;
  try {
    load(port, 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const beforeS = cpuSecondsOf(pid);
    const { requests, failed, seconds } = load(port, Number(values.seconds));
    const cpuS = cpuSecondsOf(pid) - beforeS;
    const { p50Ms, p99Ms, failed: late } = await latency(port);
    return { perSecond: requests / seconds, perCpuSecond: requests / cpuS, p50Ms, p99Ms, failed: failed + late };
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.kill('SIGKILL');
  }
}

function load(port: number, seconds: number): { requests: number; failed: number; seconds: number } {
  const argv = ['-c', '1', 'wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, `http://127.0.0.1:${port}/orders/1`];
  const { stdout, stderr } = spawnSync('taskset', argv, { encoding: 'utf8' });
  const total = /(\d+) requests in ([\d.]+)s/.exec(stdout);
  if (total === null) throw new Error(`wrk: ${stdout} ${stderr}`);
  const wrong = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? '0';
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  const failed = [wrong, ...broken].reduce((sum, it) => sum + Number(it), 0);
  return { requests: Number(total[1]), failed, seconds: Number(total[2]) };
}

async function latency(port: number): Promise<Pick<Round, 'p50Ms' | 'p99Ms' | 'failed'>> {
  const [rate, seconds] = [Number(values.rate), Number(values.seconds)];
  const { tookMs, failed } = await openLoop(port, { rate, seconds, connections: CONNECTIONS, churn: 0 });
  const at = (share: number): number => tookMs[Math.floor(share * (tookMs.length - 1))] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99), failed };
}

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;

async function main(): Promise<void> {
  // This process is part of the load.
  spawnSync('taskset', ['-a', '-cp', '1', String(process.pid)]);
  const dir = mkdtempSync(join(tmpdir(), 'farshore-bench-edge-'));
  const wanted = PEERS.filter((it) => values.only === undefined || values.only.some((word) => it.name.includes(word)));
  const here = wanted.filter((it) => it.missing === null);
  for (const { name, missing } of wanted) if (missing !== null) process.stderr.write(`left out: ${name}: ${missing}\n`);
  try {
    await startUpstream(UPSTREAM_PORT, dir);
    await startStore(UPSTREAM_PORT + 1, dir, TABLE);
    const rounds = new Map<string, Round[]>(here.map((it) => [it.name, []]));
    let port = FIRST_PORT;
    for (let n = 0; n < Number(values.rounds); n += 1) {
      for (const peer of here) {
        rounds.get(peer.name)?.push(await measure(peer, port, dir));
        process.stderr.write(`round ${n + 1}: ${peer.name}\n`);
        port += 2;
      }
    }
    print(rounds);
  } finally {
    // nginx ends its workers only when it is asked.
    for (const child of started) child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const child of started) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

function print(rounds: ReadonlyMap<string, readonly Round[]>): void {
  const rows = [...rounds].map(([name, all]) => ({
    name,
    perCpuSecond: median(all.map((it) => it.perCpuSecond)),
    perSecond: median(all.map((it) => it.perSecond)),
    p50Ms: median(all.map((it) => it.p50Ms)),
    p99Ms: median(all.map((it) => it.p99Ms)),
    failed: all.reduce((sum, it) => sum + it.failed, 0),
  }));
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ schema: 'farshore.bench.edge/v1', rate: Number(values.rate), rows })}\n`);
    return;
  }
  const ofEdge = rows.find((it) => it.name === 'Farshore edge')?.perCpuSecond ?? Number.NaN;
  process.stdout.write(
    `| server | requests per CPU-second | edge ÷ this | requests/s, ${CONNECTIONS} connections | p50, ms at ${values.rate}/s | p99, ms | failed |\n|---|---|---|---|---|---|---|\n`,
  );
  for (const it of rows) {
    const cells = [
      it.perCpuSecond.toFixed(0),
      (ofEdge / it.perCpuSecond).toFixed(2),
      it.perSecond.toFixed(0),
      it.p50Ms.toFixed(2),
      it.p99Ms.toFixed(2),
      it.failed,
    ];
    process.stdout.write(`| ${it.name} | ${cells.join(' | ')} |\n`);
  }
}

await main();
