import type { PlaceId } from '../base/ids.ts';
import { defaultKnobs, type Knobs } from '../base/knobs.ts';
import type { Facts } from '../facts/facts.ts';
import { rttMs, type Rtt } from '../facts/rtt.ts';
import { type Deployment, type DnsSpec, storePlaces } from './deployment.ts';
import { formatDuration } from './duration.ts';

/** Every knob of a deployment: what its file sets, and the defaults. */
export const knobsOf = (deployment: Deployment): Knobs => ({
  ...defaultKnobs(),
  ...deployment.timings,
  leaseTtlMs: deployment.leaseTtlMs,
});

/** What the file means, in a few lines: places, what an acknowledged write is, what a loss does, when the promise is void. */
export function explainDeployment(deployment: Deployment, facts: Facts): readonly string[] {
  const { name, model, tier, objectives, residency } = deployment;
  const promise = `RTO ${formatDuration(objectives.rtoMs)}, RPO ${formatDuration(objectives.rpoMs)}`;
  const rules = residency.map((rule) => `"${rule.name}" keeps all data in ${rule.jurisdiction}`);
  return [
    `${name}: ${model}, tier ${tier}: ${promise}`,
    `places     ${placesLine(deployment)}`,
    `a write    ${writeLine(deployment, facts)}`,
    `void when  ${voidLine(deployment)}`,
    ...(deployment.dns === null ? [] : [`dns        ${dnsLine(deployment.dns)}`]),
    `users      ${usersLine(deployment)}`,
    ...(rules.length === 0 ? [] : [`residency  ${rules.join('; ')}`]),
  ];
}

const dnsLine = ({ zone, hosts, ttlMs, records }: DnsSpec): string =>
  [
    `${hosts.map((host) => (host === '@' ? zone : `${host}.${zone}`)).join(', ')} led by routing`,
    `an answer is kept for ${formatDuration(ttlMs)}`,
    ...(records.length === 0
      ? []
      : [`${records.length} record${records.length === 1 ? ' that never changes' : 's that never change'}`]),
  ].join('; ');

function placesLine({ regions, sites }: Deployment): string {
  const [primary, ...others] = regions.map((region) => region.id);
  const stores = storePlaces({ regions, sites });
  const witnesses = sites.filter((site) => site.witness).map((site) => site.id);
  return [
    `${primary} is the first primary, then ${others.join(', ')}`,
    stores.length === 1 ? `store on ${stores.join(', ')}` : `etcd on ${stores.join(', ')}`,
    ...(witnesses.length === 0 ? [] : [`witness on ${witnesses.join(', ')}`]),
  ].join('; ');
}

function writeLine(deployment: Deployment, facts: Facts): string {
  const wait = commitWait(deployment, facts);
  if (wait === null) return 'is acknowledged by the primary alone';
  const { confirm } = deployment.replication;
  const others = deployment.regions.length - 1;
  return (
    `is acknowledged when ${confirm} of ${others} other region${others === 1 ? '' : 's'} ${confirm === 1 ? 'has' : 'have'} it: ` +
    `+ ${wait.rtt.value} ms in ${deployment.regions[0]?.id} (round trip to ${wait.to}, ${wait.rtt.method === 'measured' ? 'measured' : 'estimated'})`
  );
}

/** The round trip that a commit of the first primary waits for: to the slowest standby that must confirm. Null without standbys. */
export function commitWait(deployment: Deployment, facts: Facts): { readonly to: PlaceId; readonly rtt: Rtt } | null {
  const [primary, ...standbys] = deployment.regions;
  if (primary === undefined) return null;
  const byRtt = standbys
    .map(({ id }) => ({ to: id, rtt: rttMs(facts, primary.id, id) }))
    .toSorted((a, b) => a.rtt.value - b.rtt.value);
  return byRtt[deployment.replication.confirm - 1] ?? null;
}

function voidLine(deployment: Deployment): string {
  const { mode, whenAlone, rpoWhileDegradedMs } = deployment.replication;
  const [hears, has] = mode === 'async' ? ['receive', 'received anything'] : ['confirm', 'confirmed'];
  const evict = formatDuration(knobsOf(deployment).evictAfterMs);
  const degraded =
    rpoWhileDegradedMs === null ? 'nothing is promised' : `the RPO is ${formatDuration(rpoWhileDegradedMs)}`;
  const alone =
    whenAlone === 'block'
      ? `no other region can ${hears}: writes wait, the RTO is not met, nothing is lost`
      : `no other region has ${has} for ${evict}: the primary serves alone, and ${degraded} until one is back`;
  return `${alone}; or a session lowers synchronous_commit, or writes an UNLOGGED table`;
}

const CANNOT_WRITE = {
  http: 'a region whose application says that it cannot write keeps its reads, and writes wait for another primary',
  commit: 'while the primary commits nothing its region keeps its reads, and writes wait for another primary',
};

/** How users are led to regions, and what they get when every region looks unhealthy. */
function usersLine({ model, regions, traffic: { routing } }: Deployment): string {
  const { policies, fences, whenAllUnhealthy, slowStartMs, failover, health } = routing;
  const words = {
    geolocation: 'by place',
    latency: 'to the nearest region',
    weighted: `by weight (${regions
      .filter((region) => region.role === 'active')
      .map((region) => `${region.id} ${region.weight}`)
      .join(', ')})`,
    failover: `in order (${failover.order.join(', ')})`,
  };
  const how =
    model === 'active-passive'
      ? 'to the region of the primary'
      : policies.map((policy) => words[policy]).join(', then ') || words.failover;
  const unhealthy = {
    'hold-last': 'the regions that were good last go on',
    open: 'all go on as if they were well',
    closed: 'users get an error',
    static: 'only the static regions go on',
  }[whenAllUnhealthy.kind];
  return [
    `go ${how}`,
    ...fences.map((fence) => `"${fence.name}" keeps its users in ${fence.regions.join(', ')}`),
    ...(slowStartMs > 0 ? [`a region that is back gets them over ${formatDuration(slowStartMs)}`] : []),
    ...(failover.failback === 'manual' ? ['and only when a person says so'] : []),
    ...(health.deep === undefined ? [] : [CANNOT_WRITE[health.deep.check]]),
    `when all look unhealthy: ${unhealthy}`,
  ].join('; ');
}
