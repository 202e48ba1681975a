/**
 * `npm run bench:memory [-- --minutes 15 --rate 2000 --churn 10]`: does the edge's memory grow under a steady load whose connections
 * come and go? One request in `--churn` has a connection of its own. The first third of the time warms up; over the rest a
 * straight line is laid through the least memory of each half minute (what is resident between two collections), and its slope
 * is the figure. Exit code 1 when it is above 10 MB an hour.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endAll } from '../beside.ts';
import { startStore } from '../machine.ts';
import { openLoop } from '../edge/open-loop.ts';
import { PEERS, startUpstream, TABLE } from '../edge/peers.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    rate: { type: 'string', default: '2000' },
    churn: { type: 'string', default: '10' },
  },
});
const minutes = Number(values.minutes);
const [PORT, UPSTREAM_PORT] = [18_190, 18_180];
const [ROUND_SEC, SAMPLE_MS] = [10, 250];
const WINDOW_SEC = 30;
const MOST_MB_PER_HOUR = 10;

const residentMb = (pid: number): number => {
  const kb = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1_024;
};

/** Least squares: how much `y` grows for each unit of `x`. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((it) => it[0]), mean((it) => it[1])];
  const products = points.reduce((sum, it) => sum + (it[0] - x) * (it[1] - y), 0);
  return products / points.reduce((sum, it) => sum + (it[0] - x) ** 2, 0);
}

const dir = mkdtempSync(join(tmpdir(), 'farshore-bench-memory-'));
try {
  const edge = PEERS.find(({ name }) => name === 'Farshore edge');
  if (edge === undefined) throw new Error('the edge is among the peers');
  await startUpstream(UPSTREAM_PORT, dir);
  await startStore(UPSTREAM_PORT + 1, dir, TABLE);
  const { pid = 0 } = await edge.start(PORT, UPSTREAM_PORT, dir);
  const begunMs = performance.now();
  const sinceSec = () => (performance.now() - begunMs) / 1_000;
  const least = new Map<number, number>();
  const sampling = setInterval(() => {
    const window = Math.floor(sinceSec() / WINDOW_SEC);
    least.set(window, Math.min(least.get(window) ?? Number.POSITIVE_INFINITY, residentMb(pid)));
  }, SAMPLE_MS);
  let [asked, failed] = [0, 0];
  while (sinceSec() < minutes * 60) {
    const rate = Number(values.rate);
    const churn = Number(values.churn);
    const round = await openLoop(PORT, { rate, seconds: ROUND_SEC, connections: 64, churn });
    asked += round.tookMs.length;
    failed += round.failed;
  }
  clearInterval(sampling);
  const seconds = sinceSec();
  // The last window may not be whole.
  const whole = [...least].filter(([window]) => (window + 1) * WINDOW_SEC <= seconds);
  const counted = whole.filter(([window]) => window * WINDOW_SEC >= (minutes * 60) / 3);
  const perHour = slope(counted.map(([window, mb]) => [(window * WINDOW_SEC) / 3_600, mb]));
  for (const [window, mb] of whole)
    process.stderr.write(`${((window + 1) * WINDOW_SEC).toFixed(0)} s: ${mb.toFixed(1)} MB\n`);
  process.stdout.write(
    `${(seconds / 60).toFixed(1)} min, ${(asked / seconds).toFixed(0)} requests/s, one in ${values.churn} on a connection of its own, ${failed} failed; ` +
      `${counted[0]?.[1].toFixed(1)} to ${counted.at(-1)?.[1].toFixed(1)} MB, slope ${perHour.toFixed(1)} MB/h\n`,
  );
  if (perHour > MOST_MB_PER_HOUR) process.exitCode = 1;
} finally {
  await endAll();
  rmSync(dir, { recursive: true, force: true });
}
