import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Change, type EngineCompare, type EngineOp, Engine, NO_LEASE } from './engine.ts';
import { oneKey, prefixRange } from './key-space.ts';

const key = fc.constantFrom('a', 'ab', 'b', 'b/1', 'b/2', 'c');
const value = fc.constantFrom('', '1', '2');
const lease = fc.constantFrom(NO_LEASE, '7', '8');
const compare: fc.Arbitrary<EngineCompare> = fc.oneof(
  fc.record({ key, modRevision: fc.nat(6) }),
  fc.record({ key, value }),
);
const op: fc.Arbitrary<EngineOp> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key, value, lease }),
  fc.record({ kind: fc.constant('range' as const), range: fc.oneof(key.map(oneKey), key.map(prefixRange)) }),
  fc.record({ kind: fc.constant('delete' as const), range: fc.oneof(key.map(oneKey), key.map(prefixRange)) }),
);
const ops = fc.array(op, { maxLength: 4 });
const step = fc.oneof(
  fc.record({ do: fc.constant('txn' as const), compare: fc.array(compare, { maxLength: 2 }), ops, orElse: ops }),
  fc.record({ do: fc.constant('grant' as const), lease: fc.constantFrom('7', '8') }),
  fc.record({ do: fc.constant('revoke' as const), lease: fc.constantFrom('7', '8') }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function run(engine: Engine, one: Step): { answer: unknown; change: Change | null } {
  const result =
    one.do === 'txn'
      ? engine.txn(one.compare, one.ops, one.orElse)
      : one.do === 'grant'
        ? engine.grant(one.lease, 5)
        : engine.revoke(one.lease);
  return result.ok
    ? { answer: result.value.value, change: result.value.change }
    : { answer: result.error.code, change: null };
}

/** The same semantics, written as plainly as possible: a list of entries, copied at every step. */
class Model {
  revision = 1;
  entries: { key: string; value: string; createRevision: number; modRevision: number; lease: string }[] = [];
  leases = new Set<string>();

  run(one: Step): unknown {
    if (one.do === 'grant') {
      if (this.leases.has(one.lease)) return 'lease-exists';
      this.leases.add(one.lease);
      return { id: one.lease, ttlSeconds: 5 };
    }
    if (one.do === 'revoke') {
      if (!this.leases.delete(one.lease)) return 'lease-gone';
      const left = this.entries.filter((entry) => entry.lease !== one.lease);
      if (left.length < this.entries.length) this.revision++;
      this.entries = left;
      return null;
    }
    return this.#txn(one.compare, one.ops, one.orElse);
  }

  #txn(compares: readonly EngineCompare[], then: readonly EngineOp[], orElse: readonly EngineOp[]): unknown {
    if ([then, orElse].some((list) => this.#clashes(list))) return 'invalid-request';
    const find = (wanted: string) => this.entries.find((entry) => entry.key === wanted);
    const succeeded = compares.every((c) =>
      'value' in c ? find(c.key)?.value === c.value : (find(c.key)?.modRevision ?? 0) === c.modRevision,
    );
    const list = succeeded ? then : orElse;
    if (list.some((o) => o.kind === 'put' && o.lease !== NO_LEASE && !this.leases.has(o.lease))) return 'lease-gone';
    const next = this.revision + 1;
    let changed = false;
    const results = list.map((o) => {
      if (o.kind === 'put') {
        changed = true;
        const createRevision = find(o.key)?.createRevision ?? next;
        const entry = { key: o.key, value: o.value, createRevision, modRevision: next, lease: o.lease };
        this.entries = [...this.entries.filter((old) => old.key !== o.key), entry].toSorted((a, b) =>
          a.key < b.key ? -1 : 1,
        );
        return { kind: 'put' };
      }
      const entries = this.entries.filter((entry) => entry.key >= o.range.start && entry.key < o.range.end);
      if (o.kind === 'range') return { kind: 'range', entries };
      changed ||= entries.length > 0;
      this.entries = this.entries.filter((entry) => !entries.includes(entry));
      return { kind: 'delete', deleted: entries.length };
    });
    if (changed) this.revision = next;
    return { succeeded, revision: this.revision, results };
  }

  #clashes(list: readonly EngineOp[]): boolean {
    const puts = list.flatMap((o) => (o.kind === 'put' ? [o.key] : []));
    const gone = (name: string) => list.some((o) => o.kind === 'delete' && name >= o.range.start && name < o.range.end);
    return new Set(puts).size < puts.length || puts.some(gone);
  }
}

describe('Engine', () => {
  test('answers what a plain model answers', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const [engine, model] = [new Engine(), new Model()];
        for (const one of steps) {
          expect(run(engine, one).answer).toEqual(model.run(one));
          expect(engine.state().entries).toEqual(model.entries);
          expect(engine.revision).toBe(model.revision);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('replaying the changes, from the start or from any snapshot, gives the same state', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.nat(25), (steps, at) => {
        const live = new Engine();
        let replayed = new Engine();
        for (const [index, one] of steps.entries()) {
          if (index === at) replayed = new Engine(live.state());
          const { change } = run(live, one);
          // As it comes back from a log.
          if (change !== null) replayed.apply(JSON.parse(JSON.stringify(change)) as Change);
        }
        expect(replayed.state()).toEqual(live.state());
        expect(replayed.bytes).toBe(live.bytes);
        // The leases know their keys: ending them gives the same too.
        for (const id of ['7', '8']) expect(replayed.revoke(id)).toEqual(live.revoke(id));
      }),
      { numRuns: 300 },
    );
  });

  test('a rollback takes back all that was not settled, and only that', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.array(step, { maxLength: 12 }), (kept, undone) => {
        const engine = new Engine();
        for (const one of kept) run(engine, one);
        engine.settle();
        const [state, bytes] = [engine.state(), engine.bytes];
        const twin = new Engine(state);
        for (const one of undone) run(engine, one);
        engine.rollback();
        expect(sorted(engine)).toEqual(sorted(twin));
        expect(engine.bytes).toBe(bytes);
        for (const id of ['7', '8']) expect(engine.revoke(id)).toEqual(twin.revoke(id));
      }),
      { numRuns: 300 },
    );
  });

  test('refuses puts past its size, and takes deletes still', () => {
    const engine = new Engine(undefined, 10);
    const put = (name: string, text: string) =>
      engine.txn([], [{ kind: 'put', key: name, value: text, lease: NO_LEASE }], []);
    expect(put('a', '123456').ok).toBe(true);
    expect(put('b', '123')).toMatchObject({ ok: false, error: { code: 'store-full' } });
    expect(engine.txn([], [{ kind: 'delete', range: oneKey('a') }], []).ok).toBe(true);
    expect(put('b', '123').ok).toBe(true);
  });
});

/** The order of leases in a snapshot does not matter. */
const sorted = (engine: Engine) => {
  const state = engine.state();
  return { ...state, leases: state.leases.toSorted((a, b) => a.id.localeCompare(b.id)) };
};
