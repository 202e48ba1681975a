import { describe, expect, it } from 'vitest';
import type { Settings } from '../../ports/database.ts';
import { decideFencing } from './fencing.ts';
import { driftAt, driftOf, driftReason, whyUnfit } from './drift.ts';
import type { Observation } from './observation.ts';
import { A, B, C, NOW, observation, peer, position, pulse, record } from './testing.ts';

const good: Settings = {
  max_connections: '100',
  max_wal_senders: '10',
  wal_level: 'logical',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  shared_preload_libraries: 'pg_stat_statements, auto_explain',
  server_version: '18.4',
  collation: 'C.UTF-8 1',
  missing_extensions: '',
};
const names = (over: Record<string, string>, primary: Settings | null = good) =>
  driftOf({ ...good, ...over }, primary).map((d) => `${d.name} ${d.blocks ? 'blocks' : 'differs'}`);

describe('driftOf (I9)', () => {
  it('finds nothing between equals', () => expect(names({})).toEqual([]));

  it.each([
    [{ max_connections: '50' }, 'max_connections blocks'],
    [{ max_connections: '200' }, 'max_connections differs'],
    [{ wal_level: 'replica' }, 'wal_level differs'],
    [{ server_version: '18.2' }, 'server_version differs'],
    [{ server_version: '17.9' }, 'server_version blocks'],
    [{ shared_preload_libraries: 'auto_explain' }, 'shared_preload_libraries blocks'],
    [{ shared_preload_libraries: 'auto_explain,pg_stat_statements,other' }, 'shared_preload_libraries differs'],
    [{ collation: 'C.UTF-8 2' }, 'collation blocks'],
    [{ synchronous_commit: 'remote_write' }, 'synchronous_commit differs'],
  ])('compares %j with the primary', (over, expected) => expect(names(over)).toEqual([expected]));

  it.each([
    [{ fsync: 'off' }, 'fsync blocks'],
    [{ full_page_writes: 'off' }, 'full_page_writes blocks'],
    [{ synchronous_commit: 'local' }, 'synchronous_commit blocks'],
    [{ missing_extensions: 'postgis' }, 'missing_extensions blocks'],
    [{ wal_level: 'minimal' }, 'wal_level blocks'],
  ])('refuses %j whatever the primary has, and when it is not known', (over, expected) => {
    expect(names(over)).toEqual([expected]);
    expect(names(over, null)).toEqual([expected]);
    expect(names(over, { ...good, ...over })).toEqual([expected]);
  });
});

const withSettings = (o: Observation, of: Partial<Record<string, Settings>>): Observation => ({
  ...o,
  settings: of[o.me] ?? null,
  peers: new Map(
    [...o.peers].map(([node, view]) => [
      node,
      peer(node, { ...view, pulse: pulse(node, { settings: of[node] ?? null }) }),
    ]),
  ),
});

describe('a node that drifted (F14)', () => {
  const bad = { ...good, fsync: 'off' };
  const fencing = {
    kind: 'fencing' as const,
    epoch: 5,
    epochModRevision: 60,
    operation: 'takeover-5',
    startedAtMs: NOW - 100,
    move: null,
    unseen: false,
    ended: null,
    record: { value: record(), modRevision: 50 },
    askAgainAtMs: new Map(),
    positions: new Map([
      [B, position('0/500')],
      [C, position('0/500')],
    ]),
  };
  const taken = { epoch: { value: { n: 5, holder: B, systemId: '7', operation: 'takeover-5' }, modRevision: 60 } };

  it('is not chosen, the next one is; unknown settings are no obstacle', () => {
    const plain = decideFencing(fencing, observation({}, taken));
    expect(plain.state).toMatchObject({ kind: 'positioning', target: B });
    const drifted = decideFencing(fencing, withSettings(observation({}, taken), { [A]: good, [B]: bad, [C]: good }));
    expect(drifted.state).toMatchObject({ kind: 'positioning', target: C });
  });

  it('refuses with the setting when nobody else holds everything', () => {
    const o = withSettings(observation({}, taken), { [A]: good, [B]: bad, [C]: bad });
    expect(decideFencing(fencing, o).why).toMatchObject({ code: 'no-permitted-candidate' });
    expect(decideFencing(fencing, o).why.text).toContain("fsync is 'off' on");
  });

  it('does not win by the newer timeline of a branch of its own (F15)', () => {
    const o = observation(
      { results: [{ of: 'detach', epoch: 5, node: C, kind: 'done', position: position('0/100', 9) }] },
      { ...taken, position: { epoch: 4, timeline: 1, lsn: '0/500' } },
    );
    const state = { ...fencing, positions: new Map([[B, position('0/500')]]) };
    expect(decideFencing(state, o).state.kind).toBe('fencing');
  });

  it('says so in one sentence, also for the primary itself, which it never ends', () => {
    const o = withSettings(observation({ me: A }), { [A]: bad });
    expect(driftReason(o)).toMatchObject({ code: 'settings-block' });
    expect(whyUnfit(o, A)).toContain('fsync');
    expect(
      driftAt(withSettings(observation(), { [A]: good, [B]: { ...good, max_connections: '200' } }), B),
    ).toHaveLength(1);
    expect(driftReason(observation())).toMatchObject({ code: 'settings-same' });
  });
});
