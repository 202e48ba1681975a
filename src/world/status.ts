import type { PlaceId } from '../base/ids.ts';
import type { LinkStatus } from '../ports/link.ts';
import type { SyncRecord } from '../ports/records.ts';
import type { Aged, WorldStatus } from '../ports/status.ts';
import { assessRpoZero, assessWorld } from './assess.ts';
import { httpGet } from './http-get.ts';
import { HOST, type PlaceLayout, type Service, type WorldLayout } from './layout.ts';
import type { GroupRecords, NodeAnswer, World } from './open.ts';
import type { ProcessState, SupervisorStatus } from './supervisor/protocol.ts';

const EDGE_TIMEOUT_MS = 2_000;
type BadEdges = readonly { readonly place: PlaceId; readonly why: string }[];

/** One look at the whole world. Never rejects: what does not answer is said in the result. */
export async function lookAtWorld(world: World): Promise<WorldStatus> {
  const { layout } = world;
  const [list, answers, records, links, badEdges] = await Promise.all([
    world.supervisor.list(),
    world.statuses(),
    world.records(),
    Promise.all(layout.links.map(async (link) => world.link(link.from, link.to).status())),
    edgesThatFail(layout),
  ]);
  const supervisor = list.kind === 'done' ? list.value : null;
  const group = records.kind === 'done' ? records.value : null;
  const linkStates = links.map((outcome) => (outcome.kind === 'done' ? outcome.value : null));
  const record: Aged<SyncRecord> | null = group?.sync ? { value: group.sync, ageMs: 0, observer: 'store' } : null;
  const verdict = assessWorld({
    supervisorRuns: supervisor !== null,
    held: supervisor?.holds.map((hold) => hold.place) ?? [],
    dataPlaces: layout.places.filter((place) => place.data).map((place) => place.id),
    answers,
    record,
    storeWhy: records.kind === 'done' ? null : records.why,
    badEdges,
    badLinks: linkStates.filter((link) => link !== null && link.state !== 'up') as LinkStatus[],
  });
  return {
    schema: 'farshore.status/v1',
    deployment: layout.deployment,
    ...verdict,
    epoch: epochOf(group, answers),
    primary: primaryOf(answers),
    rpoZero: assessRpoZero(record),
    record:
      record === null
        ? null
        : { ...record, value: { version: record.value.version, w: record.value.w, names: record.value.names } },
    regions: layout.places.filter((place) => place.data).map((place) => regionOf(place, supervisor, answers)),
    sites: layout.places.filter((place) => !place.data).map((place) => siteOf(place, supervisor)),
    links: layout.links.map((link, i) => ({
      from: link.from,
      to: link.to,
      state: linkStates[i]?.state ?? 'cut',
      targetRttMs: link.rttMs,
      measuredRttMs: linkStates[i]?.measuredRttMs ?? null,
      pid: linkStates[i]?.pid ?? null,
    })),
  };
}

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
  return { value: { node: best.value.node, region: best.value.place }, ageMs: best.ageMs, observer: best.observer };
}

function regionOf(
  place: PlaceLayout,
  supervisor: SupervisorStatus | null,
  answers: readonly NodeAnswer[],
): WorldStatus['regions'][number] {
  const mine = answers.filter((it) => it.place === place.id);
  const nodes = mine.flatMap(({ last }) => last ?? []);
  const held = supervisor?.holds.some((hold) => hold.place === place.id) ?? false;
  return {
    id: place.id,
    state: held ? 'held' : mine.some((it) => it.answered) ? 'up' : 'down',
    nodes,
    pids: { ...pidsOf(place, supervisor), postgres: nodes[0]?.value.postgresPid ?? null },
    addresses: addressesOf(place),
  };
}

function siteOf(place: PlaceLayout, supervisor: SupervisorStatus | null): WorldStatus['sites'][number] {
  const running = processesOf(place, supervisor).every((it) => it.state === 'running');
  return {
    id: place.id,
    state: supervisor !== null && running ? 'up' : 'down',
    pids: pidsOf(place, supervisor),
    addresses: addressesOf(place),
  };
}

const processesOf = (place: PlaceLayout, supervisor: SupervisorStatus | null): readonly ProcessState[] =>
  supervisor?.processes.filter((it) => it.place === place.id) ?? [];

const pidsOf = (place: PlaceLayout, supervisor: SupervisorStatus | null): Readonly<Record<string, number | null>> =>
  Object.fromEntries(processesOf(place, supervisor).map((it) => [it.kind, it.pid]));

/** What a person can open. Passwords are in the state directory, never here. */
const PEOPLE: Partial<Record<Service, (port: number) => string>> = {
  edge: (port) => `http://${HOST}:${port}`,
  rw: (port) => `postgres://app@${HOST}:${port}/app`,
  ro: (port) => `postgres://app@${HOST}:${port}/app`,
  app: (port) => `http://${HOST}:${port}`,
  api: (port) => `http://${HOST}:${port}`,
  store: (port) => `http://${HOST}:${port}`,
};

const addressesOf = (place: PlaceLayout): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(place.ports).flatMap(([service, port]) => {
      const say = PEOPLE[service as Service];
      return say === undefined ? [] : [[service, say(port)]];
    }),
  );
