/**
 * `npm run bench:memory [-- --minutes 15 --rate 2000 --churn 10]`: does the edge's memory grow under a steady load whose connections
 * come and go? One request in `--churn` has a connection of its own. The first third of the time warms up; over the rest a
 * straight line is laid through three things: what is held after a full collection (resident, less the room that V8 keeps for
 * later), the objects of JavaScript among it, and what is resident before it, which follows how V8 chooses the
 * size of its heap. The slope of the first is the figure; exit code 1 when it is above 10 MB an hour.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { endAll } from '../beside.ts';
import { startStore } from '../machine.ts';
import { openLoop } from '../edge/open-loop.ts';
import { PEERS, startUpstream, TABLE } from '../edge/peers.ts';
import type { Sample } from './probe.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    rate: { type: 'string', default: '2000' },
    churn: { type: 'string', default: '10' },
  },
});
const minutes = Number(values.minutes);
const [PORT, UPSTREAM_PORT] = [18_190, 18_180];
const ROUND_SEC = 10;
const MOST_MB_PER_HOUR = 10;

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
  const samplesPath = join(dir, 'samples');
  process.env['NODE_OPTIONS'] = `--import ${fileURLToPath(new URL('probe.js', import.meta.url))}`;
  process.env['FARSHORE_BENCH_MEMORY_INTO'] = samplesPath;
  await edge.start(PORT, UPSTREAM_PORT, dir);
  const begunMs = performance.now();
  const sinceSec = () => (performance.now() - begunMs) / 1_000;
  let [asked, failed] = [0, 0];
  while (sinceSec() < minutes * 60) {
    const rate = Number(values.rate);
    const churn = Number(values.churn);
    const round = await openLoop(PORT, { rate, seconds: ROUND_SEC, connections: 64, churn });
    asked += round.tookMs.length;
    failed += round.failed;
  }
  const seconds = sinceSec();
  const samples = readFileSync(samplesPath, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Sample);
  for (const { atSec, residentMb, heldMb, heapMb } of samples)
    process.stderr.write(
      `${atSec.toFixed(0)} s: held ${heldMb.toFixed(1)} MB, objects ${heapMb.toFixed(1)} MB, resident before ${residentMb.toFixed(1)} MB\n`,
    );
  const counted = samples.filter(({ atSec }) => atSec >= (minutes * 60) / 3);
  const grows = (of: (sample: Sample) => number) => slope(counted.map((sample) => [sample.atSec / 3_600, of(sample)]));
  const told = (what: string, of: (sample: Sample) => number): string => {
    const all = counted.map(of);
    return `${what}: ${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)} MB, slope ${grows(of).toFixed(1)} MB/h\n`;
  };
  process.stdout.write(
    `${(seconds / 60).toFixed(1)} min, ${(asked / seconds).toFixed(0)} requests/s, one in ${values.churn} on a connection of its own, ${failed} failed\n` +
      told('held after a collection', ({ heldMb }) => heldMb) +
      told('objects after a collection', ({ heapMb }) => heapMb) +
      told('resident before a collection', ({ residentMb }) => residentMb),
  );
  if (!(grows(({ heldMb }) => heldMb) <= MOST_MB_PER_HOUR)) process.exitCode = 1;
} finally {
  await endAll();
  rmSync(dir, { recursive: true, force: true });
}
