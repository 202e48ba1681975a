/**
 * `npm run bench:reads [-- --rate 500 --seconds 20]`: what safe requests meet when the region that serves them is lost. A world of
 * examples/active-passive.yaml, where every edge leads reads to the primary's region; `rate` requests a second at the edge of another
 * region, each on time whatever became of those before. Crash: failed or later than 2 s; blackhole: than 5 s. Then how long an
 * edge and the DNS server took to see the loss, from its proof, and how long the DNS answer took after that.
 */
import { Resolver } from 'node:dns/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { monotonicMs } from '../../monotonic.ts';
import { injectFault } from '../../../world/faults/inject.ts';
import type { World } from '../../../world/open.ts';
import { withScratchWorld } from '../../scratch-world.ts';
import { openLoop } from '../edge/open-loop.ts';

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '500' }, seconds: { type: 'string', default: '20' } },
});
const [rate, seconds] = [Number(values.rate), Number(values.seconds)];
const LOOK_EVERY_MS = 20;
const LEAD_MS = 4_000;
const SPEC = fileURLToPath(new URL('../../../../examples/active-passive.yaml', import.meta.url));

interface Seen {
  readonly regions: readonly { readonly id: string; readonly health: string }[];
}

/** When a region first looked unhealthy to a plane; null when it did not until `until`. */
async function sawLoss(url: string, region: string, isOver: () => boolean): Promise<number | null> {
  while (!isOver()) {
    const { regions } = (await (await fetch(url)).json()) as Seen;
    if (regions.some(({ id, health }) => id === region && health === 'unhealthy')) return monotonicMs();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return null;
}

async function answerChanged(resolver: Resolver, host: string, before: string, isOver: () => boolean) {
  while (!isOver()) {
    const [now] = await resolver.resolve4(host).catch(() => []);
    if (now !== undefined && now !== before) return monotonicMs();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return null;
}

async function trial(world: World, kind: 'crash' | 'blackhole', deadlineMs: number): Promise<string> {
  const { layout } = world;
  const records = await world.records();
  const lost = records.kind === 'done' ? (records.value.routes?.primary?.region ?? null) : null;
  const other = layout.places.find(({ id, ports }) => id !== lost && ports.edge !== undefined);
  const site = layout.places.find(({ ports }) => ports.dns !== undefined);
  const first = layout.dns?.hosts[0];
  const zone = layout.dns?.zone ?? '';
  const host = first === undefined ? null : first === '@' ? zone : `${first}.${zone}`;
  if (lost === null || other === undefined || site === undefined || host === null)
    throw new Error('the world has a primary, two edges and a DNS server');
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([`127.0.0.1:${site.ports.dns ?? 0}`]);
  const [before = ''] = await resolver.resolve4(host);
  const options = { rate, seconds, connections: 256, churn: 10, path: '/', deadlineMs };
  const load = openLoop(other.ports.edge ?? 0, options);
  await new Promise((resolve) => setTimeout(resolve, LEAD_MS));
  let over = false;
  const isOver = () => over;
  const status = (port: number | undefined, plane: string) => `http://127.0.0.1:${port ?? 0}/.farshore/${plane}`;
  const seen = Promise.all([
    sawLoss(status(other.ports.edge, 'edge'), lost, isOver),
    sawLoss(status(site.ports.dnsStatus, 'dns'), lost, isOver),
    answerChanged(resolver, host, before, isOver),
  ]);
  const fault = await injectFault(world, { kind, place: lost }, 'bench');
  const { tookMs, failed } = await load;
  over = true;
  const [edge, dns, answer] = await seen;
  await fault.undo();
  const late = tookMs.filter((ms) => ms > deadlineMs).length;
  const after = (atMs: number | null, fromMs: number | null) =>
    atMs === null || fromMs === null ? 'not seen' : `${(atMs - fromMs).toFixed(0)} ms`;
  const cells = [
    kind,
    `${failed + late} of ${tookMs.length + failed} (${deadlineMs / 1_000} s)`,
    `${(tookMs.at(-1) ?? 0).toFixed(0)} ms`,
    after(edge, fault.fromMs),
    after(dns, fault.fromMs),
    after(answer, dns),
  ];
  return `| ${cells.join(' | ')} |\n`;
}

const progress = (text: string) => void process.stderr.write(`${text}\n`);
const rows: string[] = [];
for (const [kind, deadlineMs] of [
  ['crash', 2_000],
  ['blackhole', 5_000],
] as const)
  await withScratchWorld({ specPath: SPEC, rttScale: 1, env: {}, progress }, async (world) => {
    rows.push(await trial(world, kind, deadlineMs));
  });
process.stdout.write(
  `| lost by | safe requests failed at ${rate}/s (deadline) | the slowest | an edge sees it after | DNS sees it after | its answer after that |\n|---|---|---|---|---|---|\n${rows.join('')}`,
);
