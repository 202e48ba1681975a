import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { optionsOf, quantile, runBench } from '../beside.ts';
import { cpuSecondsOf, OTHERS, startStore } from '../machine.ts';
import { PEERS, TABLE } from './peers.ts';

/**
 * Farshore's DNS server beside those that people lead users with today: the same question, the same places, the same run. The
 * server that is measured has one core, load and health the other. Throughput with dnsperf, in answers per second of the
 * server's CPU time; latency at one offered rate for all.
 * `npm run bench:dns [-- --seconds 5 --rounds 3 --rate 1000 --only gdnsd --json]`
 */
const options = optionsOf(1_000);
const CLIENTS = ['-c', '8'];
const FULL = [...CLIENTS, '-q', '200'];
/** RFC 7871: the network 12.1.2.0/24. */
const SUBNET = ['-E', '8:000118000c0102'];

interface Load {
  readonly answers: number;
  readonly lost: number;
  readonly seconds: number;
  readonly tookMs: readonly number[];
}

function load(port: number, dir: string, seconds: number, further: readonly string[]): Load {
  const argv = ['-s', '127.0.0.1', '-p', String(port), '-d', join(dir, 'questions'), '-l', String(seconds), '-T', '1'];
  const bounds = { encoding: 'utf8', maxBuffer: 1e9 } as const;
  const { stdout, stderr } = spawnSync('taskset', ['-c', OTHERS, 'dnsperf', ...argv, ...further], bounds);
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

async function measure(port: number, pid: number, dir: string) {
  // Checks have answered, code is compiled.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  load(port, dir, 1, FULL);
  const timed = (further: readonly string[]) => {
    const beforeS = cpuSecondsOf(pid);
    const run = load(port, dir, options.seconds, [...FULL, ...further]);
    return { ...run, perCpuSecond: run.answers / (cpuSecondsOf(pid) - beforeS) };
  };
  const plain = timed([]);
  const subnet = timed(SUBNET);
  const open = load(port, dir, options.seconds, [...CLIENTS, '-Q', String(options.rate), '-v']);
  return {
    perCpuSecond: plain.perCpuSecond,
    perCpuSecondSubnet: subnet.perCpuSecond,
    perSecond: plain.answers / plain.seconds,
    p50Ms: quantile(open.tookMs, 0.5),
    p99Ms: quantile(open.tookMs, 0.99),
    lost: plain.lost + subnet.lost + open.lost,
  };
}

const HEALTH_PORT = 18_290;
const healthy = createServer((_, response) => response.end('ok'));
await runBench(
  {
    name: 'dns',
    peers: PEERS,
    firstPort: 18_300,
    behindPort: HEALTH_PORT,
    prepare: async (dir) => {
      // Every address of loopback: each place has one.
      await new Promise<void>((resolve) => healthy.listen(HEALTH_PORT, '0.0.0.0', resolve));
      writeFileSync(join(dir, 'questions'), 'shop.example A\nwww.shop.example A\n');
      await startStore(HEALTH_PORT + 1, dir, TABLE);
    },
    measure,
    sums: ['lost'],
    heads: [
      'server',
      'health',
      'answers per CPU-second',
      'Farshore ÷ this',
      'with a client subnet',
      'answers/s',
      `p50, ms at ${options.rate}/s`,
      'p99, ms',
      'lost',
    ],
    cells: ({ perCpuSecond, perCpuSecondSubnet, perSecond, p50Ms, p99Ms, lost }, { health }, ours) => [
      health ? 'yes' : 'no',
      perCpuSecond.toFixed(0),
      (ours.perCpuSecond / perCpuSecond).toFixed(2),
      perCpuSecondSubnet.toFixed(0),
      perSecond.toFixed(0),
      p50Ms.toFixed(2),
      p99Ms.toFixed(2),
      lost,
    ],
  },
  options,
);
healthy.close();
healthy.closeAllConnections();
