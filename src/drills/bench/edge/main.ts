import { spawnSync } from 'node:child_process';
import { optionsOf, quantile, runBench } from '../beside.ts';
import { cpuSecondsOf, OTHERS, startStore } from '../machine.ts';
import { openLoop } from './open-loop.ts';
import { PEERS, startUpstream, TABLE } from './peers.ts';

/**
 * Farshore's edge, and HAProxy as Farshore drives it, beside what people use today: the same requests, the same upstream, the same
 * run. The server that is measured has one core, load and upstream share the other. Throughput with wrk on kept connections, in
 * requests per second of the server's CPU time; latency at one offered rate for all, from the moment each request was due.
 * `npm run bench:edge [-- --seconds 5 --rounds 3 --rate 2000 --only nginx --json]`
 */
const options = optionsOf(2_000);
const CONNECTIONS = 64;

function load(port: number, seconds: number): { requests: number; failed: number; seconds: number } {
  const argv = ['-c', OTHERS, 'wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, `http://127.0.0.1:${port}/orders/1`];
  const { stdout, stderr } = spawnSync('taskset', argv, { encoding: 'utf8' });
  const total = /(\d+) requests in ([\d.]+)s/.exec(stdout);
  if (total === null) throw new Error(`wrk: ${stdout} ${stderr}`);
  const wrong = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? '0';
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  const failed = [wrong, ...broken].reduce((sum, it) => sum + Number(it), 0);
  return { requests: Number(total[1]), failed, seconds: Number(total[2]) };
}

async function measure(port: number, pid: number) {
  load(port, 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const beforeS = cpuSecondsOf(pid);
  const { requests, failed, seconds } = load(port, options.seconds);
  const cpuS = cpuSecondsOf(pid) - beforeS;
  const { rate } = options;
  const open = await openLoop(port, { rate, seconds: options.seconds, connections: CONNECTIONS, churn: 0 });
  return {
    perCpuSecond: requests / cpuS,
    perSecond: requests / seconds,
    p50Ms: quantile(open.tookMs, 0.5),
    p99Ms: quantile(open.tookMs, 0.99),
    failed: failed + open.failed,
  };
}

const UPSTREAM_PORT = 18_090;
await runBench(
  {
    name: 'edge',
    peers: PEERS,
    firstPort: 18_100,
    behindPort: UPSTREAM_PORT,
    prepare: async (dir) => {
      await startUpstream(UPSTREAM_PORT, dir);
      await startStore(UPSTREAM_PORT + 1, dir, TABLE);
    },
    measure,
    sums: ['failed'],
    heads: [
      'server',
      'requests per CPU-second',
      'edge ÷ this',
      `requests/s, ${CONNECTIONS} connections`,
      `p50, ms at ${options.rate}/s`,
      'p99, ms',
      'failed',
    ],
    cells: ({ perCpuSecond, perSecond, p50Ms, p99Ms, failed }, _, ours) => [
      perCpuSecond.toFixed(0),
      (ours.perCpuSecond / perCpuSecond).toFixed(2),
      perSecond.toFixed(0),
      p50Ms.toFixed(2),
      p99Ms.toFixed(2),
      failed,
    ],
  },
  options,
);
