/**
 * `npm run bench:detection [-- TRIALS]`: how soon a lost region is seen by checks every second, and how soon DNS answers otherwise.
 * An edge, a DNS server, and HAProxy beside them, all looking at the same place: with HAProxy's own defaults (every 2 s, three
 * misses) and with its checks every second. The place is lost by a crash (nobody accepts) and by standing still (it accepts and says
 * nothing). Nobody asks anything meanwhile: a request that failed would tell sooner.
 */
import type { ChildProcess } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeId, placeId } from '../../../base/ids.ts';
import { defaultRouting } from '../../../decide/routing/defaults.ts';
import { ask } from '../../../planes/haproxy/runtime.ts';
import { nodeClock } from '../../../telemetry/node-clock.ts';
import { endAll } from '../beside.ts';
import { dnsConfig, ZONE } from '../dns/peers.ts';
import { edgeConfig } from '../edge/peers.ts';
import { BENCHED, launch, listening, MAIN, MEASURED, missing, OTHERS, startStore } from '../machine.ts';

const trials = Number(process.argv[2] ?? 5);
const [LOST, OTHER] = [placeId('aws:eu-west-1'), placeId('aws:us-east-1')];
const [LOST_PORT, OTHER_PORT, STORE_PORT, EDGE_PORT, DNS_PORT, HAPROXY_PORT] = [
  18_401, 18_402, 18_403, 18_410, 18_412, 18_414,
];
const LOOK_EVERY_MS = 10;
const GIVE_UP_MS = 30_000;

const REGION = `require('node:http').createServer((_, r) => r.end('ok')).listen(Number(process.argv[1]), '127.0.0.1')`;

async function startRegion(port: number, dir: string): Promise<ChildProcess> {
  const child = launch(OTHERS, [process.execPath, '-e', REGION, String(port)], dir);
  await listening(port);
  return child;
}

const regions = [LOST, OTHER].map((id) => ({ id, role: 'active' as const, weight: 1, state: 'serving' as const }));
const routing = defaultRouting(regions);
const ROUTES = {
  generation: 1,
  epoch: 1,
  primary: { node: nodeId(OTHER, 'n1'), region: OTHER },
  regions,
  routing: { ...routing, policies: ['failover' as const], health: { ...routing.health, everyMs: 1_000 } },
  reason: { code: 'bench', text: 'two regions' },
};

async function startPlanes(dir: string): Promise<void> {
  await startStore(STORE_PORT, dir, { ...BENCHED, routes: ROUTES });
  const ports = [LOST_PORT, OTHER_PORT];
  const at = (i: number) => ({ host: '127.0.0.1', port: ports[i] ?? 0, rttMs: 0 });
  const edge = edgeConfig(
    EDGE_PORT,
    dir,
    [LOST, OTHER].map((region, i) => ({ region, ...at(i) })),
  );
  // In the region that stays, and with DNS outside of all: each has its own sight of the one that is lost.
  writeFileSync(join(dir, 'edge.json'), JSON.stringify({ ...edge, place: OTHER }));
  const places = [LOST, OTHER].map((region, i) => ({ region, addresses: [`192.0.2.${i + 1}`], check: at(i) }));
  writeFileSync(join(dir, 'dns.json'), JSON.stringify(dnsConfig(DNS_PORT, dir, places)));
  for (const plane of ['edge', 'dns'])
    launch(MEASURED, [process.execPath, MAIN, plane, join(dir, `${plane}.json`)], dir);
  writeFileSync(join(dir, 'haproxy.cfg'), haproxyText(join(dir, 'haproxy.sock')));
  launch(MEASURED, ['haproxy', '-db', '-f', join(dir, 'haproxy.cfg')], dir);
  for (const port of [EDGE_PORT, DNS_PORT, HAPROXY_PORT]) await listening(port);
}

const backend = (name: string, pace: string): string => `backend ${name}
  option httpchk GET /healthz
  default-server check ${pace}
  server lost 127.0.0.1:${LOST_PORT}
  server other 127.0.0.1:${OTHER_PORT}
`;
const haproxyText = (socketPath: string): string => `global
  nbthread 1
  stats socket ${socketPath}
defaults
  mode http
  timeout client 60s
  timeout connect 1s
  timeout server 5s
frontend f
  bind 127.0.0.1:${HAPROXY_PORT}
  default_backend byDefault
${backend('byDefault', '')}${backend('everySecond', 'inter 1s')}`;

interface Seen {
  readonly regions: readonly { readonly id: string; readonly health: string }[];
}

const sees =
  (url: string) =>
  async (health: 'healthy' | 'unhealthy'): Promise<boolean> => {
    const { regions: all } = (await (await fetch(url)).json()) as Seen;
    return all.some((region) => region.id === LOST && region.health === health);
  };

const resolver = new Resolver({ timeout: 500, tries: 1 });
resolver.setServers([`127.0.0.1:${DNS_PORT}`]);
const answers = async (health: 'healthy' | 'unhealthy'): Promise<boolean> => {
  const [address] = await resolver.resolve4(ZONE).catch(() => []);
  return address === (health === 'healthy' ? '192.0.2.1' : '192.0.2.2');
};

/** `# pxname,svname,…,status,…`; the status of one that is on its way down is `UP 1/3`. */
const haproxySees =
  (dir: string, name: string) =>
  async (health: 'healthy' | 'unhealthy'): Promise<boolean> => {
    const told = await ask(join(dir, 'haproxy.sock'), 'show stat');
    if (!told.ok) return false;
    const [head = '', ...lines] = told.value.split('\n');
    const line = lines.find((each) => each.startsWith(`${name},lost,`)) ?? '';
    const status = line.split(',')[head.split(',').indexOf('status')] ?? '';
    return health === 'healthy' ? status === 'UP' : status.startsWith('DOWN');
  };

async function until(fact: () => Promise<boolean>): Promise<number> {
  const deadlineMs = performance.now() + GIVE_UP_MS;
  while (!(await fact())) {
    if (performance.now() > deadlineMs) return Number.NaN;
    await nodeClock.sleep(LOOK_EVERY_MS);
  }
  return performance.now();
}

const dir = mkdtempSync(join(tmpdir(), 'farshore-bench-detection-'));
try {
  const absent = missing('haproxy');
  if (absent !== null) throw new Error(absent);
  let lost = await startRegion(LOST_PORT, dir);
  await startRegion(OTHER_PORT, dir);
  await startPlanes(dir);
  const observers = {
    edge: sees(`http://127.0.0.1:${EDGE_PORT}/.farshore/edge`),
    dns: sees(`http://127.0.0.1:${DNS_PORT + 1}/.farshore/dns`),
    answer: answers,
    haproxy: haproxySees(dir, 'byDefault'),
    haproxyEverySecond: haproxySees(dir, 'everySecond'),
  };
  const names = ['edge', 'dns', 'answer', 'haproxy', 'haproxyEverySecond'] as const;
  process.stdout.write(
    `| lost by | trials | edge sees it after, ms: median (max) | DNS sees it | DNS answers otherwise after that | HAProxy, its defaults | HAProxy, every 1 s |\n|---|---|---|---|---|---|---|\n`,
  );
  for (const kind of ['crash', 'standstill'] as const) {
    const took: Record<string, number[]> = { edge: [], dns: [], answer: [], haproxy: [], haproxyEverySecond: [] };
    for (let n = 0; n < trials; n += 1) {
      for (const name of names) await until(() => observers[name]('healthy'));
      // Anywhere between two checks.
      await nodeClock.sleep((2_000 * n) / trials);
      const beganMs = performance.now();
      lost.kill(kind === 'crash' ? 'SIGKILL' : 'SIGSTOP');
      const at = await Promise.all(names.map((name) => until(() => observers[name]('unhealthy'))));
      names.forEach((name, i) => took[name]?.push((at[i] ?? 0) - (name === 'answer' ? (at[1] ?? 0) : beganMs)));
      if (kind === 'standstill') lost.kill('SIGCONT');
      else lost = await startRegion(LOST_PORT, dir);
      process.stderr.write(`${kind} ${n + 1} of ${trials}\n`);
    }
    const cells = names.map((name) => {
      const sorted = (took[name] ?? []).toSorted((a, b) => a - b);
      return `${(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN).toFixed(0)} (${(sorted.at(-1) ?? Number.NaN).toFixed(0)})`;
    });
    process.stdout.write(`| ${[kind, trials, ...cells].join(' | ')} |\n`);
  }
  // A process that stands still hears no SIGTERM.
  lost.kill('SIGCONT');
} finally {
  await endAll();
  rmSync(dir, { recursive: true, force: true });
}
