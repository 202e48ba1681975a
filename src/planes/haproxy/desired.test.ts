import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeId, type PlaceId, placeId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import { route } from '../../decide/routing/route.ts';
import { DUBLIN, FOUR, policyTable, TOKYO, VIRGINIA } from '../../decide/routing/testing.ts';
import type { RouteTable } from '../../ports/records.ts';
import { audiencesOf } from './audiences.ts';
import { desiredOf } from './desired.ts';
import { LAST_RESORT, READS } from './names.ts';
import { type Actual, commandsFor, parseServersState } from './runtime.ts';

const [A, B, C] = [placeId('aws:eu-west-1'), placeId('aws:us-east-1'), placeId('gcp:asia-east1')];
const ALL: readonly PlaceId[] = [A, B, C];

const anyTable: fc.Arbitrary<RouteTable> = fc
  .record({
    states: fc.tuple(...ALL.map(() => fc.constantFrom('serving' as const, 'drained' as const))),
    roles: fc.tuple(...ALL.map(() => fc.constantFrom('active' as const, 'passive' as const))),
    primary: fc.option(fc.nat(2)),
  })
  .map(({ states, roles, primary }) => {
    const region = primary === null ? null : (ALL[primary] ?? A);
    return {
      generation: 1,
      epoch: 1,
      primary: region === null ? null : { node: nodeId(region, 'n1'), region },
      regions: ALL.map((id, i) => ({ id, role: roles[i] ?? 'active', weight: 1, state: states[i] ?? 'serving' })),
      reason: because('test', 'test'),
    };
  });

const { list: EVERYONE } = audiencesOf({
  routing: null,
  place: A,
  upstreams: ALL.map((region, i) => ({ region, rttMs: i })),
  places: [],
});
const desired = (table: RouteTable, place = A, readOnly: readonly PlaceId[] = []) =>
  desiredOf({
    table,
    place,
    audiences: EVERYONE,
    readOnly: new Map(readOnly.map((id) => [id, because('test', 'test')])),
    madeFor: null,
    weights: [],
  });
const SERVERS = [READS, `${READS}${LAST_RESORT}`].flatMap((backend) => ALL.map((id) => `${backend}/${id}`));

test('property: HAProxy may send reads exactly where the decision may, and writes to its only candidate', () => {
  fc.assert(
    fc.property(anyTable, fc.constantFrom(...ALL), (table, place) => {
      const { servers, writes } = desired(table, place);
      const none = new Map<PlaceId, never>();
      const wanted = route(table, { method: 'read', from: place }, none, none).candidates;
      const open = [...servers].filter(([, { state }]) => state === 'ready').map(([server]) => server);
      expect(open.toSorted()).toEqual(
        [READS, `${READS}${LAST_RESORT}`].flatMap((it) => wanted.map((id) => `${it}/${id}`)).toSorted(),
      );
      expect([...writes]).toEqual([
        ['primary', route(table, { method: 'write', from: place }, none, none).candidates[0] ?? 'none'],
      ]);
    }),
  );
});

test('a region that says it can’t write keeps its reads, and the primary’s takes no writes then', () => {
  const table: RouteTable = {
    generation: 1,
    epoch: 1,
    primary: { node: nodeId(B, 'n1'), region: B },
    regions: ALL.map((id) => ({ id, role: 'active', weight: 1, state: 'serving' })),
    reason: because('test', 'test'),
  };
  expect(desired(table, A, [A]).writes.get('primary')).toBe(B);
  const refused = desired(table, A, [B]);
  expect(refused.writes.get('primary')).toBe('none');
  expect(refused.servers).toEqual(desired(table).servers);
});

test('a drained region is shut where a cookie may lead: by the table’s word or by the configuration that HAProxy has', () => {
  const state = (now: 'none' | 'cookie', made: 'none' | 'cookie') => {
    const table = policyTable({ affinity: now }, { primary: VIRGINIA, drained: [DUBLIN] });
    const madeFor = policyTable({ affinity: made }).routing ?? null;
    const upstreams = FOUR.map((region, i) => ({ region, rttMs: i }));
    const { list: audiences } = audiencesOf({ routing: madeFor, place: TOKYO, upstreams, places: [] });
    const knowledge = { table, place: TOKYO, audiences, readOnly: new Map(), madeFor, weights: [] };
    return desiredOf(knowledge).servers.get(`${READS}/${DUBLIN}`)?.state;
  };
  expect(state('none', 'none')).toBe('drain');
  expect(state('cookie', 'cookie')).toBe('maint');
  expect(state('cookie', 'none')).toBe('maint');
  expect(state('none', 'cookie')).toBe('maint');
});

test('a ramp is over as soon as it begins: of active-passive regions only the primary’s is open', () => {
  const table: RouteTable = {
    generation: 1,
    epoch: 1,
    primary: { node: nodeId(B, 'n1'), region: B },
    regions: ALL.map((id) => ({ id, role: id === A ? 'active' : 'passive', weight: 1, state: 'serving' })),
    ramp: { to: B, from: A, overMs: 60_000 },
    reason: because('test', 'test'),
  };
  const open = [...desired(table).servers].filter(([, { state }]) => state === 'ready').map(([server]) => server);
  expect(open).toEqual([`${READS}/${B}`, `${READS}${LAST_RESORT}/${B}`]);
});

const anyState = fc.record({
  state: fc.constantFrom('ready' as const, 'drain' as const, 'maint' as const),
  weight: fc.nat(256),
});

test('property: the commands lead to what is desired, whatever HAProxy does now; then there are none', () => {
  fc.assert(
    fc.property(anyTable, fc.array(anyState, { minLength: 6, maxLength: 6 }), fc.boolean(), (table, states, known) => {
      const servers = new Map(
        SERVERS.map((server, i) => [server, states[i] ?? { state: 'ready' as const, weight: 1 }]),
      );
      const before: Actual = { writes: new Map(known ? [['primary', 'none']] : []), servers };
      const after = obey(before, commandsFor(desired(table), before, '/run/a map'));
      expect(commandsFor(desired(table), after, '/run/a map')).toEqual([]);
    }),
  );
});

/** What HAProxy would do, from its management guide. */
function obey(actual: Actual, commands: readonly string[]): Actual {
  const [writes, servers] = [new Map(actual.writes), new Map(actual.servers)];
  for (const command of commands) {
    const set = /^set server (\S+) (?:state (ready|drain|maint)|weight (\d+))$/.exec(command);
    const map = /^(set|add) map \/run\/a\\ map (\S+) (\S+)$/.exec(command);
    if (set?.[1] !== undefined) {
      const { state, weight } = servers.get(set[1]) ?? { state: 'ready', weight: 1 };
      const told = set[2] as 'ready' | 'drain' | 'maint' | undefined;
      servers.set(set[1], { state: told ?? state, weight: set[3] === undefined ? weight : Number(set[3]) });
    } else if (map?.[2] !== undefined && (map[1] === 'set') === writes.has(map[2])) writes.set(map[2], map[3] ?? '');
    else throw new Error(`not a command: ${command}`);
  }
  return { writes, servers };
}

test('the writes move before anything else, and regions open before others close', () => {
  const table: RouteTable = {
    generation: 2,
    epoch: 2,
    primary: { node: nodeId(B, 'n1'), region: B },
    regions: [
      { id: A, role: 'active', weight: 1, state: 'serving' },
      { id: B, role: 'passive', weight: 1, state: 'serving' },
    ],
    reason: because('test', 'test'),
  };
  const now = (id: PlaceId) => ({ state: id === A ? ('ready' as const) : ('maint' as const), weight: 1 });
  const servers = new Map(SERVERS.map((server) => [server, now(server.endsWith(A) ? A : B)]));
  expect(commandsFor(desired(table), { writes: new Map([['primary', A]]), servers }, '/m')).toEqual([
    `set map /m primary ${B}`,
    `set server ${READS}/${B} state ready`,
    `set server ${READS}${LAST_RESORT}/${B} state ready`,
    `set server ${READS}/${A} state maint`,
    `set server ${READS}${LAST_RESORT}/${A} state maint`,
  ]);
});

test('servers whose admin state has other bits too are read', () => {
  const text = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
3 reads 1 aws:eu-west-1 127.0.0.1 2 0 1
3 reads 2 aws:us-east-1 127.0.0.1 0 5 1
3 reads 3 gcp:asia-east1 127.0.0.1 2 8 1`;
  expect([...parseServersState(text)]).toEqual([
    ['reads/aws:eu-west-1', { state: 'ready', weight: 1 }],
    ['reads/aws:us-east-1', { state: 'maint', weight: 1 }],
    ['reads/gcp:asia-east1', { state: 'drain', weight: 1 }],
  ]);
});
