/**
 * `npm run bench:checks [-- SECONDS]`: what looking at 1,000 places twice a second costs this process, verdicts included.
 * The places are nginx on other addresses of loopback, whose time is not counted; it is quick enough not to be what is measured.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Detector, newDetector, signal } from '../../../decide/health/detector.ts';
import { startChecks } from '../../../planes/looks/checks.ts';
import type { Look } from '../../../planes/looks/look.ts';
import { libc } from '../../../system/libc.ts';
import { nodeClock } from '../../../telemetry/node-clock.ts';
import { endAll } from '../beside.ts';
import { nginxConfig } from '../edge/peers.ts';
import { launch, listening, MEASURED, missing, OTHERS } from '../machine.ts';

const PLACES = 1_000;
const EVERY_MS = 500;
const WARM_UP_MS = 3_000;
const PORT = 18_390;
/** As many addresses as it takes for the ports of closed connections not to run out. */
const HOSTS = Array.from({ length: 32 }, (_, i) => `127.0.77.${i + 1}`);
const seconds = Number(process.argv[2] ?? 20);

interface Row {
  readonly what: string;
  readonly perSecond: number;
  readonly microsPerCheck: number;
  readonly codes: ReadonlyMap<string, number>;
}

async function measure(what: string, look: Look, port: number): Promise<Row> {
  const detectors: Detector[] = HOSTS.map(() => newDetector(nodeClock.nowMs()));
  const codes = new Map<string, number>();
  const questions = HOSTS.map((host) => ({ target: { host, port }, look }));
  const stops = Array.from({ length: PLACES }, (_, i) =>
    startChecks({
      question: () => questions[i % HOSTS.length] ?? null,
      pace: () => ({ everyMs: EVERY_MS, timeoutMs: EVERY_MS }),
      offsetMs: (i * EVERY_MS) / PLACES,
      clock: nodeClock,
      onFound: ({ code }) => {
        codes.set(code, (codes.get(code) ?? 0) + 1);
        const before = detectors[i % HOSTS.length] ?? newDetector(0);
        detectors[i % HOSTS.length] = signal(before, { ok: code === 'ok', source: 'check', code, atMs: 0 });
      },
    }),
  );
  await nodeClock.sleep(WARM_UP_MS);
  codes.clear();
  const begunMs = nodeClock.nowMs();
  const begun = process.cpuUsage();
  await nodeClock.sleep(seconds * 1_000);
  const { user, system } = process.cpuUsage(begun);
  const tookSec = (nodeClock.nowMs() - begunMs) / 1_000;
  const done = [...codes.values()].reduce((sum, count) => sum + count, 0);
  for (const stop of stops) stop();
  await nodeClock.sleep(EVERY_MS);
  return { what, perSecond: done / tookSec, microsPerCheck: (user + system) / done, codes: new Map(codes) };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOSTS[0], resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The places serve on the second core. */
async function startPlaces(dir: string): Promise<void> {
  const absent = missing('nginx');
  if (absent !== null) throw new Error(absent);
  const listens = ['127.0.0.1', ...HOSTS].map((host) => `listen ${host}:${PORT};`).join(' ');
  const server = `server { ${listens} default_type application/json; location / { return 200 '{"status":"ok"}'; } }`;
  const path = join(dir, 'places.conf');
  writeFileSync(path, nginxConfig(PORT, server));
  launch(OTHERS, ['nginx', '-p', dir, '-c', path, '-g', 'daemon off;'], dir);
  await listening(PORT);
}

const dir = mkdtempSync(join(tmpdir(), 'farshore-bench-checks-'));
const rows: Row[] = [];
try {
  spawnSync('taskset', ['-a', '-cp', MEASURED, String(process.pid)]);
  await startPlaces(dir);
  const http: Look = { kind: 'http', path: '/healthz' };
  for (const [what, look, port] of [
    ['HTTP, alive', http, PORT],
    ['TCP, alive', { kind: 'tcp' }, PORT],
    ['HTTP, nobody listens', http, await closedPort()],
  ] as const)
    rows.push(await measure(what, look, port));
} finally {
  await endAll();
  rmSync(dir, { recursive: true, force: true });
}

const how = libc === null ? "Node's sockets" : 'own calls';
process.stdout.write(`${cpus().length} cores, Node ${process.versions.node}, ${how}; ${seconds} s each\n\n`);
process.stdout.write('| check | checks/s | found | CPU, µs/check | of one core at 2,000/s |\n|---|---|---|---|---|\n');
for (const { what, perSecond, microsPerCheck, codes } of rows) {
  const share = (microsPerCheck * 2_000) / 1e4;
  const found = [...codes].map(([code, count]) => `${code} ${count}`).join(', ');
  process.stdout.write(
    `| ${what} | ${perSecond.toFixed(0)} | ${found} | ${microsPerCheck.toFixed(0)} | ${share.toFixed(1)} % |\n`,
  );
}
