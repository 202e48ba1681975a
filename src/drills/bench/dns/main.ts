import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuSecondsOf, started, startStore } from '../machine.ts';
import { type Peer, PEERS, TABLE } from './peers.ts';

/**
 * Farshore's DNS server beside those that people lead users with today: the same question, the same places, the same run. The
 * server that is measured has one core, load and health the other. Throughput with dnsperf, in answers per second of the
 * server's CPU time; latency at one offered rate for all.
 * `npm run bench:dns [-- --seconds 5 --rounds 3 --rate 1000 --only gdnsd --json]`
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '1000' },
    only: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
});
const [CLIENTS, OUTSTANDING] = [8, 200];
const FIRST_PORT = 18_300;
const HEALTH_PORT = 18_290;
/** RFC 7871: the network 12.1.2.0/24. */
const SUBNET = '8:000118000c0102';

interface Load {
  readonly answers: number;
  readonly lost: number;
  readonly seconds: number;
  readonly tookMs: readonly number[];
}

interface Round {
  readonly perCpuSecond: number;
  readonly perCpuSecondSubnet: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lost: number;
}

function load(port: number, dir: string, seconds: number, further: readonly string[]): Load {
  const argv = ['-s', '127.0.0.1', '-p', String(port), '-d', join(dir, 'questions'), '-l', String(seconds), '-T', '1'];
  const options = { encoding: 'utf8', maxBuffer: 1e9 } as const;
  const { stdout, stderr } = spawnSync('taskset', ['-c', '1', 'dnsperf', ...argv, ...further], options);
  const count = (what: string): number => Number(new RegExp(`${what}:\\s+([\\d.]+)`).exec(stdout)?.[1] ?? Number.NaN);
  const codes = /Response codes:\s+(.*)/.exec(stdout)?.[1] ?? '';
  if (!/^NOERROR \d+ \(100\.00%\)$/.test(codes)) throw new Error(`dnsperf: ${codes} ${stderr} ${stdout.slice(-800)}`);
  const tookMs = [...stdout.matchAll(/^> NOERROR .* ([\d.]+)$/gm)].map((it) => Number(it[1]) * 1_000);
  return {
    answers: count('Queries completed'),
    lost: count('Queries lost'),
    seconds: count('Run time \\(s\\)'),
    tookMs: tookMs.toSorted((a, b) => a - b),
  };
}

async function measure(peer: Peer, port: number, dir: string): Promise<Round> {
  const server = await peer.start(port, HEALTH_PORT, dir);
  const pid = server.pid ?? 0;
  const seconds = Number(values.seconds);
  const full = ['-c', String(CLIENTS), '-q', String(OUTSTANDING)];
  try {
    // Checks have answered, code is compiled.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    load(port, dir, 1, full);
    const timed = (further: readonly string[]) => {
      const beforeS = cpuSecondsOf(pid);
      const run = load(port, dir, seconds, [...full, ...further]);
      return { ...run, perCpuSecond: run.answers / (cpuSecondsOf(pid) - beforeS) };
    };
    const plain = timed([]);
    const subnet = timed(['-E', SUBNET]);
    const open = load(port, dir, seconds, ['-c', String(CLIENTS), '-Q', String(values.rate), '-v']);
    const at = (share: number): number => open.tookMs[Math.floor(share * (open.tookMs.length - 1))] ?? Number.NaN;
    return {
      perCpuSecond: plain.perCpuSecond,
      perCpuSecondSubnet: subnet.perCpuSecond,
      perSecond: plain.answers / plain.seconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      lost: plain.lost + subnet.lost + open.lost,
    };
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 500));
    server.kill('SIGKILL');
  }
}

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? Number.NaN;

async function main(): Promise<void> {
  spawnSync('taskset', ['-a', '-cp', '1', String(process.pid)]);
  const dir = mkdtempSync(join(tmpdir(), 'farshore-bench-dns-'));
  const wanted = PEERS.filter((it) => values.only === undefined || values.only.some((word) => it.name.includes(word)));
  const here = wanted.filter((it) => it.missing === null);
  for (const { name, missing } of wanted) if (missing !== null) process.stderr.write(`left out: ${name}: ${missing}\n`);
  const healthy = createServer((_, response) => response.end('ok'));
  try {
    // Every address of loopback: each place has one.
    await new Promise<void>((resolve) => healthy.listen(HEALTH_PORT, '0.0.0.0', () => resolve()));
    writeFileSync(join(dir, 'questions'), 'shop.example A\nwww.shop.example A\n');
    await startStore(HEALTH_PORT + 1, dir, TABLE);
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
    healthy.close();
    healthy.closeAllConnections();
    for (const child of started) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

function print(rounds: ReadonlyMap<string, readonly Round[]>): void {
  const rows = [...rounds].map(([name, all]) => ({
    name,
    health: PEERS.find((it) => it.name === name)?.health ?? false,
    perCpuSecond: median(all.map((it) => it.perCpuSecond)),
    perCpuSecondSubnet: median(all.map((it) => it.perCpuSecondSubnet)),
    perSecond: median(all.map((it) => it.perSecond)),
    p50Ms: median(all.map((it) => it.p50Ms)),
    p99Ms: median(all.map((it) => it.p99Ms)),
    lost: all.reduce((sum, it) => sum + it.lost, 0),
  }));
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ schema: 'farshore.bench.dns/v1', rate: Number(values.rate), rows })}\n`);
    return;
  }
  const ours = rows.find((it) => it.name === 'Farshore')?.perCpuSecond ?? Number.NaN;
  process.stdout.write(
    `| server | health | answers per CPU-second | Farshore ÷ this | with a client subnet | answers/s | p50, ms at ${values.rate}/s | p99, ms | lost |\n|---|---|---|---|---|---|---|---|---|\n`,
  );
  for (const it of rows) {
    const cells = [
      it.health ? 'yes' : 'no',
      it.perCpuSecond.toFixed(0),
      (ours / it.perCpuSecond).toFixed(2),
      it.perCpuSecondSubnet.toFixed(0),
      it.perSecond.toFixed(0),
      it.p50Ms.toFixed(2),
      it.p99Ms.toFixed(2),
      it.lost,
    ];
    process.stdout.write(`| ${it.name} | ${cells.join(' | ')} |\n`);
  }
}

await main();
