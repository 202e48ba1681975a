import type { DnsLook, NodeStatus, TrafficLook, WorldStatus } from '../ports/status.ts';
import { describeEnd } from '../world/ends.ts';
import type { World } from '../world/open.ts';
import { lookAtWorld } from '../world/status.ts';
import { pausedText } from './operations/render.ts';
import { paint } from './paint.ts';
import { age, bytes, round, table } from './text.ts';

/** One screen for people. */
export function statusLines(status: WorldStatus): readonly string[] {
  const { bold, green, yellow, red, dim } = paint(process.stdout);
  const colour = { ready: green, starting: yellow, degraded: yellow, down: red }[status.state];
  const epoch = status.epoch === null ? 'no epoch' : `epoch ${status.epoch.value}`;
  if (status.state === 'down') return [`${bold(status.deployment)}  ${red('DOWN')}`, dim(`  ${status.why.text}`)];
  const head = `${bold(status.deployment)}  ${colour(status.state.toUpperCase())}  ${epoch}  primary ${status.primary?.value.region ?? 'none'}`;
  const lines = [
    head,
    dim(`  ${status.why.text}`),
    dim(`  RPO 0 ${status.rpoZero.state}: ${status.rpoZero.why.text}`),
    ...(status.paused === null ? [] : [yellow(`  ${pausedText(status.paused)}`)]),
    '',
  ];
  lines.push(
    ...table([
      HEADER,
      ...status.regions.flatMap((region) => regionRows(region, status.epoch?.value ?? 0)),
      ...status.sites.map(siteRow),
    ]),
  );
  for (const { value } of status.regions.flatMap((region) => region.nodes)) {
    for (const { name, here, wanted, blocks, what } of value.drift) {
      const means = blocks ? 'may not become primary' : 'differs';
      lines.push((blocks ? red : yellow)(`${value.node} ${means}: ${name} is '${here}', not '${wanted}': ${what}`));
    }
  }
  const saved = status.regions.flatMap((region) => region.nodes.flatMap(({ value }) => value.salvages));
  if (saved.length > 0) {
    const transactions = saved.reduce((sum, it) => sum + it.transactions, 0);
    lines.push(
      '',
      yellow(`${saved.length} saved from diverged nodes, ${transactions} transactions: farshore salvage list`),
    );
  }
  lines.push(...storeLines(status, red), ...dnsLines(status, red), ...trafficLines(status.traffic, red));
  const faulty = status.links.filter((link) => link.state !== 'up');
  if (faulty.length > 0)
    lines.push('', ...faulty.map((link) => red(`link ${link.from} → ${link.to} is ${link.state}`)));
  if (status.ends.length > 0)
    lines.push('', ...status.ends.map((end) => (end.failing ? red : yellow)(describeEnd(end))));
  return lines;
}

/** One line for a store with members; the embedded one is told by the reason when it does not answer. */
function storeLines({ store }: WorldStatus, bad: (text: string) => string): readonly string[] {
  if (store.members.length === 0) return [];
  const said = store.members.map(({ place, state: is, why }) =>
    is === 'up' ? `${place} ${why}` : bad(`${place} ${why}`),
  );
  return ['', `store: ${store.kind}; ${said.join(', ')}`];
}

/** What to type to see where users are led, and where that is now. */
function dnsLines({ dns, state }: WorldStatus, bad: (text: string) => string): readonly string[] {
  if (dns === null || state === 'down') return [];
  return ['', dnsLine(dns, bad)];
}

/** What users would get if every region looked unhealthy, which ones do, and whether the planes still hear each other. */
export function trafficLines(traffic: TrafficLook | null, bad: (text: string) => string): readonly string[] {
  if (traffic === null) return [];
  const { observers, unhealthy, readOnly, heldForMs, whenAllUnhealthy } = traffic;
  const named = (state: string) => observers.filter((each) => each.state === state).map(({ observer }) => observer);
  const [votes, abstaining, missing] = [named('votes'), named('abstains'), named('missing')];
  const counted = [
    `${votes.length} of ${observers.length} observers vote`,
    ...(abstaining.length === 0 ? [] : [`abstains, sees most regions down: ${abstaining.join(', ')}`]),
    ...(missing.length === 0 ? [] : [`not heard: ${missing.join(', ')}`]),
  ];
  const held = `most observers are not heard for ${age(heldForMs ?? 0)}: regions stay what they were`;
  return [
    '',
    `traffic: ${counted.join('; ')}; when all regions look unhealthy: ${whenAllUnhealthy}`,
    ...(heldForMs === null ? [] : [bad(held)]),
    ...unhealthy.map(({ region, why }) => bad(`${region} looks unhealthy: ${why}`)),
    ...readOnly.map(({ region, why }) => bad(`${region} serves reads and can't write: ${why}`)),
  ];
}

export function dnsLine({ server, host, addresses, region, why }: DnsLook, bad: (text: string) => string): string {
  const [address, port] = server.split(':');
  const leads = why === null ? `${addresses.join(' ')} (${region ?? 'no region'})` : bad(`no answer: ${why}`);
  return `dig @${address} -p ${port} ${host} → ${leads}`;
}

const HEADER = ['PLACE', 'STATE', 'ROLE', 'TL', 'LSN', 'TO REPLAY', 'HEARTBEAT', 'EDGE', 'SEEN', 'WHY'];

function regionRows(region: WorldStatus['regions'][number], newestEpoch: number): readonly (readonly string[])[] {
  const edge = region.addresses['edge'] ?? '-';
  if (region.nodes.length === 0)
    return [[region.id, region.state, '-', '-', '-', '-', '-', edge, '-', 'the agent does not answer']];
  return region.nodes.map(({ value, ageMs }) => [
    region.id,
    region.state,
    roleOf(value, newestEpoch),
    String(value.timeline ?? '-'),
    value.lsn ?? '-',
    value.lagBytes === null ? '-' : bytes(value.lagBytes),
    value.heartbeatAgeMs === null ? '-' : age(value.heartbeatAgeMs),
    edge,
    age(ageMs),
    region.state === 'up' ? value.health.why.text : 'last words before it went',
  ]);
}

function roleOf(node: NodeStatus, newestEpoch: number): string {
  if (node.open && (node.storedEpoch ?? 0) < newestEpoch) return `fenced, was primary of epoch ${node.storedEpoch}`;
  if (node.role === 'primary') return node.open ? 'primary' : 'primary, closed';
  return node.role === 'standby' ? `standby, ${node.sync}` : node.role;
}

const siteRow = (site: WorldStatus['sites'][number]): readonly string[] => {
  const runs = Object.keys(site.pids).join(', ');
  return [site.id, site.state, runs, '-', '-', '-', '-', '-', '-', 'site: votes, holds no data'];
};

/** What a person opens first. */
export async function worldLines(world: World): Promise<readonly string[]> {
  const status = await lookAtWorld(world);
  const rows = status.regions.map((region) => [
    `  ${region.id}`,
    [region.addresses['edge'] ?? 'no edge', region.addresses['edgeTls'] ?? ''].join(' ').trimEnd(),
    `rw ${region.addresses['rw']}`,
    `ro ${region.addresses['ro']}`,
    region.id === status.primary?.value.region ? 'primary' : '',
  ]);
  const dns = status.dns === null ? [] : [`  ${dnsLine(status.dns, (text) => text)}`];
  return [...table(rows), ...dns];
}

/** Target and measured round trips, one line. A link measures itself once a second, so this waits for the first figures. */
export async function rttLines(world: World): Promise<readonly string[]> {
  const { links } = await lookAtWorld(world);
  const data = new Set(world.layout.places.filter((place) => place.data).map((place) => place.id));
  const pairs = links.filter((link) => link.from < link.to && data.has(link.from) && data.has(link.to));
  if (pairs.length === 0) return [];
  const text = pairs.map(({ from, to, targetRttMs, measuredRttMs }) => {
    const measured = measuredRttMs === null ? 'not yet measured' : round(measuredRttMs);
    return `${short(from)}↔${short(to)} ${round(targetRttMs)}/${measured}`;
  });
  return [`round trips, target/measured ms: ${text.join('  ')}`];
}

const short = (place: string): string => place.slice(place.indexOf(':') + 1);
