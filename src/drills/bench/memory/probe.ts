/**
 * Loaded into the process whose memory is measured (`--import`): tells it every now and then, after a full collection. `heldMb` is
 * what is resident without the room that V8 keeps for later: a leak of objects, buffers or of the C library's memory raises it,
 * how lazily V8 collects does not.
 */
import { appendFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface Sample {
  readonly atSec: number;
  /** Before the collection. */
  readonly residentMb: number;
  readonly heldMb: number;
  /** Objects of JavaScript alone. */
  readonly heapMb: number;
}

const into = process.env['FARSHORE_BENCH_MEMORY_INTO'];
const EVERY_MS = 15_000;
const MB = 2 ** 20;

function sample(): Sample {
  const residentMb = process.memoryUsage.rss() / MB;
  collect();
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return {
    atSec: performance.now() / 1_000,
    residentMb,
    heldMb: (rss - heapTotal + heapUsed) / MB,
    heapMb: heapUsed / MB,
  };
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
if (into !== undefined) setInterval(() => appendFileSync(into, `${JSON.stringify(sample())}\n`), EVERY_MS).unref();
