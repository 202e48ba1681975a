/**
 * `npm run bench:checks [-- SECONDS]`: what looking at 1,000 places twice a second costs this process, verdicts included.
 * The places are one small server on other addresses of loopback, in a process of its own whose time is not counted.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { type Detector, newDetector, signal } from '../../../decide/health/detector.ts';
import { startChecks } from '../../../planes/looks/checks.ts';
import type { Look } from '../../../planes/looks/look.ts';
import { nodeClock } from '../../../telemetry/node-clock.ts';
import { cpus } from 'node:os';

const PLACES = 1_000;
const EVERY_MS = 500;
const WARM_UP_MS = 3_000;
/** As many addresses as it takes for the ports of closed connections not to run out. */
const HOSTS = Array.from({ length: 32 }, (_, i) => `127.0.77.${i + 1}`);
const seconds = Number(process.argv[2] ?? 20);

const SERVER = `
const { createServer } = require('node:net');
const answer = 'HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: 15\\r\\nconnection: close\\r\\n\\r\\n{"status":"ok"}';
const hosts = JSON.parse(process.argv[1]);
let port = 0;
const open = (i) => {
  if (i === hosts.length) return process.stdout.write(port + '\\n');
  const server = createServer((socket) => { socket.on('error', () => undefined); socket.on('data', () => socket.end(answer)); });
  server.listen({ host: hosts[i], port, backlog: 1024 }, () => { port = server.address().port; open(i + 1); });
};
open(0);
`;

interface Row {
  readonly what: string;
  readonly perSecond: number;
  readonly microsPerCheck: number;
  readonly good: number;
}

async function measure(what: string, look: Look, port: number): Promise<Row> {
  const detectors: Detector[] = HOSTS.map(() => newDetector(nodeClock.nowMs()));
  let done = 0;
  let good = 0;
  const questions = HOSTS.map((host) => ({ target: { host, port }, look }));
  const stops = Array.from({ length: PLACES }, (_, i) =>
    startChecks({
      question: () => questions[i % HOSTS.length] ?? null,
      pace: () => ({ everyMs: EVERY_MS, timeoutMs: EVERY_MS }),
      offsetMs: (i * EVERY_MS) / PLACES,
      clock: nodeClock,
      onFound: ({ code }) => {
        done += 1;
        if (code === 'ok') good += 1;
        const before = detectors[i % HOSTS.length] ?? newDetector(0);
        detectors[i % HOSTS.length] = signal(before, { ok: code === 'ok', source: 'check', code, atMs: 0 });
      },
    }),
  );
  await nodeClock.sleep(WARM_UP_MS);
  [done, good] = [0, 0];
  const begunMs = nodeClock.nowMs();
  const begun = process.cpuUsage();
  await nodeClock.sleep(seconds * 1_000);
  const { user, system } = process.cpuUsage(begun);
  const tookSec = (nodeClock.nowMs() - begunMs) / 1_000;
  for (const stop of stops) stop();
  await nodeClock.sleep(EVERY_MS);
  return { what, perSecond: done / tookSec, microsPerCheck: (user + system) / done, good: good / done };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOSTS[0], resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const server = spawn(process.execPath, ['-e', SERVER, JSON.stringify(HOSTS)], { stdio: ['ignore', 'pipe', 'inherit'] });
const port = await new Promise<number>((resolve, reject) => {
  server.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
  server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
});
const http: Look = { kind: 'http', path: '/healthz' };
const rows: Row[] = [];
for (const [what, look, at] of [
  ['HTTP, alive', http, port],
  ['TCP, alive', { kind: 'tcp' }, port],
  ['HTTP, nobody listens', http, await closedPort()],
] as const)
  rows.push(await measure(what, look, at));
server.kill();

process.stdout.write(`${cpus().length} cores, Node ${process.versions.node}; ${seconds} s each\n\n`);
process.stdout.write('| check | checks/s | good | CPU, µs/check | of one core at 2,000/s |\n|---|---|---|---|---|\n');
for (const { what, perSecond, microsPerCheck, good } of rows) {
  const share = (microsPerCheck * 2_000) / 1e4;
  process.stdout.write(
    `| ${what} | ${perSecond.toFixed(0)} | ${(good * 100).toFixed(1)} % | ${microsPerCheck.toFixed(0)} | ${share.toFixed(1)} % |\n`,
  );
}
