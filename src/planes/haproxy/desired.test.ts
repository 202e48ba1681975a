import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeId, type PlaceId, placeId } from '../../base/ids.ts';
import { because } from '../../base/reason.ts';
import { route } from '../../decide/routing/route.ts';
import type { RouteTable } from '../../ports/records.ts';
import { LAST_RESORT, READS } from './config-file.ts';
import { desiredOf } from './desired.ts';
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

test('property: HAProxy may send reads exactly where the decision may, and writes to its only candidate', () => {
  fc.assert(
    fc.property(anyTable, fc.constantFrom(...ALL), (table, place) => {
      const desired = desiredOf(table, place, ALL);
      const none = new Map<PlaceId, never>();
      const open = [...desired.reads].filter(([, state]) => state === 'ready').map(([id]) => id);
      expect(open.toSorted()).toEqual(
        [...route(table, { method: 'read', from: place }, none, none).candidates].toSorted(),
      );
      expect(desired.primary).toBe(route(table, { method: 'write', from: place }, none, none).candidates[0] ?? null);
    }),
  );
});

const anyState = fc.constantFrom('ready' as const, 'drain' as const, 'maint' as const);

test('property: the commands lead to what is desired, whatever HAProxy does now; then there are none', () => {
  fc.assert(
    fc.property(anyTable, fc.array(anyState, { minLength: 6, maxLength: 6 }), (table, states) => {
      const desired = desiredOf(table, A, ALL);
      const servers = [READS, LAST_RESORT].flatMap((backend) => ALL.map((id) => `${backend}/${id}`));
      const before: Actual = {
        primary: 'none',
        states: new Map(servers.map((server, i) => [server, states[i] ?? 'ready'])),
      };
      const after = obey(before, commandsFor(desired, before, '/run/a map'));
      expect(commandsFor(desired, after, '/run/a map')).toEqual([]);
    }),
  );
});

/** What HAProxy would do, from its management guide. */
function obey(actual: Actual, commands: readonly string[]): Actual {
  let { primary } = actual;
  const states = new Map(actual.states);
  for (const command of commands) {
    const set = /^set server (\S+) state (ready|drain|maint)$/.exec(command);
    const map = /^set map \/run\/a\\ map primary (\S+)$/.exec(command);
    if (set?.[1] !== undefined) states.set(set[1], set[2] as 'ready' | 'drain' | 'maint');
    else if (map?.[1] !== undefined) primary = map[1];
    else throw new Error(`not a command: ${command}`);
  }
  return { primary, states };
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
  const states = new Map(
    [READS, LAST_RESORT].flatMap((backend) => [
      [`${backend}/${A}`, 'ready'] as const,
      [`${backend}/${B}`, 'maint'] as const,
    ]),
  );
  const commands = commandsFor(desiredOf(table, A, [A, B]), { primary: A, states }, '/m');
  expect(commands).toEqual([
    `set map /m primary ${B}`,
    `set server ${READS}/${B} state ready`,
    `set server ${LAST_RESORT}/${B} state ready`,
    `set server ${READS}/${A} state maint`,
    `set server ${LAST_RESORT}/${A} state maint`,
  ]);
});

test('servers whose admin state has other bits too are read', () => {
  const text = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
3 reads 1 aws:eu-west-1 127.0.0.1 2 0 1
3 reads 2 aws:us-east-1 127.0.0.1 0 5 1
3 reads 3 gcp:asia-east1 127.0.0.1 2 8 1`;
  expect([...parseServersState(text)]).toEqual([
    ['reads/aws:eu-west-1', 'ready'],
    ['reads/aws:us-east-1', 'maint'],
    ['reads/gcp:asia-east1', 'drain'],
  ]);
});
