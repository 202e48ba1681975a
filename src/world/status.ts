import type { NodeId, PlaceId } from '../base/ids.ts';
import type { Reason } from '../base/reason.ts';
import type { Outcome } from '../base/result.ts';
import type { LinkStatus } from '../ports/link.ts';
import type { SyncRecord } from '../ports/records.ts';
import type { Aged, ProcessEnd, WorldStatus } from '../ports/status.ts';
import { assessRpoZero, assessWorld } from './assess.ts';
import { askDns } from './dns-look.ts';
import { recentEnds } from './ends.ts';
import { httpGet } from './http-get.ts';
import { defaultStateDir } from './prepare.ts';
import { HOST, type LinkLayout, type NodeService, type PlaceLayout, type Service, type WorldLayout } from './layout.ts';
import { processesOfWorld } from './leftovers.ts';
import type { GroupRecords, NodeAnswer, World } from './open.ts';
import { askTraffic } from './traffic-look.ts';
import { askMembers } from './store-members.ts';
import type { ProcessState, SupervisorStatus } from './supervisor/protocol.ts';

const EDGE_TIMEOUT_MS = 1_000;
type BadLinks = readonly Pick<WorldStatus['links'][number], 'from' | 'to' | 'state'>[];
type BadEdges = readonly { readonly place: PlaceId; readonly why: string }[];

/** What is asked of everybody but the links, and the verdict on it: cheap enough to be asked several times a second. */
export interface WorldGlance {
  readonly supervisor: SupervisorStatus | null;
  readonly answers: readonly NodeAnswer[];
  readonly records: Outcome<GroupRecords>;
  readonly badEdges: BadEdges;
  readonly members: WorldStatus['store']['members'];
  readonly dns: WorldStatus['dns'];
  readonly ends: readonly ProcessEnd[];
  readonly state: WorldStatus['state'];
  readonly why: Reason;
}

/** A look without the links. Never rejects: what does not answer is said in the result. */
export async function glanceAtWorld(world: World, badLinks: BadLinks = []): Promise<WorldGlance> {
  const { layout } = world;
  const [list, answers, records, badEdges, members, dns] = await Promise.all([
    world.supervisor.list(),
    world.statuses(),
    world.records(),
    edgesThatFail(layout),
    askMembers(layout),
    askDns(layout),
  ]);
  const supervisor = list.kind === 'done' ? list.value : null;
  const ends = recentEnds(supervisor?.processes ?? []);
  const answering = answers.some((it) => it.answered) || records.kind === 'done';
  const verdict = assessWorld({
    supervisor: supervisor !== null ? 'runs' : list.kind === 'refused' ? 'gone' : 'silent',
    anythingRuns: supervisor !== null || answering || processesOfWorld(layout).length > 0,
    upCommand: upCommand(layout),
    held: supervisor?.holds.map((hold) => hold.target) ?? [],
    dataPlaces: layout.places.filter((place) => place.data).map((place) => place.id),
    answers,
    record: recordOf(records),
    storeWhy: records.kind === 'done' ? null : records.why,
    badEdges,
    dns,
    badMembers: members.filter((member) => member.state === 'down'),
    badLinks,
    ends,
  });
  return { supervisor, answers, records, badEdges, members, dns, ends, ...verdict };
}

/** One look at the whole world. Never rejects. */
export async function lookAtWorld(world: World): Promise<WorldStatus> {
  const { layout } = world;
  const outcomes = await Promise.all(layout.links.map(async (link) => world.link(link.from, link.to).status()));
  const links = layout.links.map((link, i) => linkOf(link, outcomes[i]?.kind === 'done' ? outcomes[i].value : null));
  const badLinks = links.filter((link) => link.state !== 'up');
  const [glance, traffic] = await Promise.all([glanceAtWorld(world, badLinks), askTraffic(layout)]);
  const { supervisor, answers, records, members, dns, ends, state, why } = glance;
  const record = recordOf(records);
  return {
    schema: 'farshore.status/v1',
    deployment: layout.deployment,
    state,
    why,
    epoch: epochOf(records.kind === 'done' ? records.value : null, answers),
    primary: primaryOf(answers),
    rpoZero: assessRpoZero(record, answers, state),
    paused: pausedOf(records),
    record: record === null ? null : { ...record, value: shortRecord(record.value) },
    regions: layout.places.filter((place) => place.data).map((place) => regionOf(place, supervisor, answers)),
    sites: layout.places.filter((place) => !place.data).map((place) => siteOf(place, supervisor, answers, records)),
    store: { kind: layout.store.kind, members },
    links,
    dns,
    traffic,
    ends,
  };
}

const linkOf = (link: LinkLayout, said: LinkStatus | null): WorldStatus['links'][number] => ({
  from: link.from,
  to: link.to,
  // A relay that does not answer carries nothing.
  state: said?.state ?? 'down',
  targetRttMs: link.rttMs,
  measuredRttMs: said?.measuredRttMs ?? null,
  pid: said?.pid ?? null,
});

/** With what `up` goes on from this world's data. */
const upCommand = ({ specPath, stateDir }: WorldLayout): string =>
  `farshore up "${specPath}"${defaultStateDir(specPath) === stateDir ? '' : ` --state "${stateDir}"`}`;

/** A pause that is over says nothing any more; the record is left behind. */
function pausedOf(records: Outcome<GroupRecords>): WorldStatus['paused'] {
  const paused = records.kind === 'done' ? records.value.paused : null;
  const leftMs = paused === null ? 0 : paused.untilWallMs - Date.now();
  return paused === null || leftMs <= 0 ? null : { leftMs, actor: paused.actor, reason: paused.reason };
}

const recordOf = (records: Outcome<GroupRecords>): Aged<SyncRecord> | null =>
  records.kind === 'done' && records.value.sync !== null
    ? { value: records.value.sync, ageMs: 0, observer: 'store' }
    : null;

const shortRecord = ({ version, w, names }: SyncRecord): Pick<SyncRecord, 'version' | 'w' | 'names'> => ({
  version,
  w,
  names,
});

async function edgesThatFail(layout: WorldLayout): Promise<BadEdges> {
  const path = layout.healthPath;
  if (path === null) return [];
  const edges = layout.places.filter((place) => place.ports.edge !== undefined);
  const answers = await Promise.all(edges.map((place) => httpGet(place.ports.edge ?? 0, path, EDGE_TIMEOUT_MS)));
  return answers.flatMap((answer, i) => {
    const place = edges[i];
    if (place === undefined || answer.status === 200) return [];
    const said = answer.body.slice(0, 200).trim();
    return [{ place: place.id, why: answer.status === 0 ? said : `${answer.status} ${said}` }];
  });
}

function epochOf(group: GroupRecords | null, answers: readonly NodeAnswer[]): Aged<number> | null {
  if (group?.epoch) return { value: group.epoch.n, ageMs: 0, observer: 'store' };
  const known = answers.flatMap(({ last }) => (last?.value.epoch ? [{ ...last, value: last.value.epoch }] : []));
  return known.toSorted((a, b) => b.value - a.value)[0] ?? null;
}

/** The node that says that it is open; of two, the one with the newer epoch. */
function primaryOf(answers: readonly NodeAnswer[]): WorldStatus['primary'] {
  const open = answers.flatMap(({ answered, last }) => (answered && last?.value.open ? [last] : []));
  const best = open.toSorted((a, b) => (b.value.epoch ?? 0) - (a.value.epoch ?? 0))[0];
  if (best === undefined) return null;
  return {
    value: { node: best.value.node, region: best.value.place },
    ageMs: Math.round(best.ageMs),
    observer: best.observer,
  };
}

function regionOf(
  place: PlaceLayout,
  supervisor: SupervisorStatus | null,
  answers: readonly NodeAnswer[],
): WorldStatus['regions'][number] {
  const mine = answers.filter((it) => it.place === place.id);
  const nodes = mine.flatMap(({ last }) => last ?? []);
  const held = supervisor?.holds.some((hold) => hold.target === place.id) ?? false;
  return {
    id: place.id,
    state: held ? 'held' : mine.some((it) => it.answered) ? 'up' : 'down',
    nodes,
    pids: { ...pidsOf(place, supervisor), postgres: nodes[0]?.value.postgresPid ?? null },
    addresses: addressesOf(place),
  };
}

function siteOf(
  place: PlaceLayout,
  supervisor: SupervisorStatus | null,
  answers: readonly NodeAnswer[],
  records: Outcome<GroupRecords>,
): WorldStatus['sites'][number] {
  const running = processesOf(place, supervisor).every((it) => it.state === 'running');
  // Without a supervisor: what the site is there for must answer.
  const witnesses = answers.filter((it) => it.place === place.id).every((it) => it.answered);
  const stores = place.ports.store === undefined || records.kind === 'done';
  return {
    id: place.id,
    state: (supervisor === null ? witnesses && stores : running) ? 'up' : 'down',
    pids: pidsOf(place, supervisor),
    addresses: addressesOf(place),
  };
}

const processesOf = (place: PlaceLayout, supervisor: SupervisorStatus | null): readonly ProcessState[] =>
  supervisor?.processes.filter((it) => it.place === place.id) ?? [];

/** By kind; those of a further node carry its name: `keeper` is the first node's, `n2/keeper` the second's. */
const pidsOf = (place: PlaceLayout, supervisor: SupervisorStatus | null): Readonly<Record<string, number | null>> =>
  Object.fromEntries(processesOf(place, supervisor).map((it) => [`${furtherNode(place, it.node)}${it.kind}`, it.pid]));

const furtherNode = (place: PlaceLayout, node: NodeId | null): string =>
  node === null || node === place.nodes[0]?.id ? '' : `${node.slice(place.id.length + 1)}/`;

/** What a person can open. Passwords are in the state directory, never here. */
const PEOPLE: Partial<Record<Service | NodeService, (port: number) => string>> = {
  edge: (port) => `http://${HOST}:${port}`,
  edgeTls: (port) => `https://${HOST}:${port}`,
  haproxy: (port) => `http://${HOST}:${port}`,
  dns: (port) => `dns://${HOST}:${port}`,
  rw: (port) => `postgres://app@${HOST}:${port}/app`,
  ro: (port) => `postgres://app@${HOST}:${port}/app`,
  app: (port) => `http://${HOST}:${port}`,
  api: (port) => `http://${HOST}:${port}`,
  store: (port) => `http://${HOST}:${port}`,
};

function addressesOf(place: PlaceLayout): Readonly<Record<string, string>> {
  const owners = [{ ports: place.ports, id: null }, ...place.nodes];
  const said = owners.flatMap(({ ports, id }) =>
    (Object.entries(ports) as [Service | NodeService, number][]).flatMap(([service, port]) => {
      const say = PEOPLE[service];
      return say === undefined ? [] : [[`${furtherNode(place, id)}${service}`, say(port)] as const];
    }),
  );
  return Object.fromEntries(said);
}
