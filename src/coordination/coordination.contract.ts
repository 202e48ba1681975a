import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Coordination, KeyValue, TxnResult, WatchEvent } from '../ports/coordination.ts';
import { must } from './must.contract.ts';
import type { Rig } from './rig.contract.ts';

/** What every implementation of the port must do. Each test works under a prefix of its own. */
export function coordinationContract(name: string, make: () => Promise<Rig>): void {
  describe(`Coordination: ${name}`, () => {
    let rig: Rig;
    let store: Coordination;
    let prefix = '';
    let tests = 0;
    const opened: Coordination[] = [];

    beforeAll(async () => {
      rig = await make();
    });
    afterAll(async () => {
      await rig.close();
    });
    const connect = (): Coordination => {
      const client = rig.connect();
      opened.push(client);
      return client;
    };
    const fresh = (): string => `/contract/${++tests}/`;
    afterEach(async () => {
      for (const client of opened.splice(0)) await client.close();
    });
    const begin = (): void => {
      store = connect();
      prefix = fresh();
    };

    const put = async (key: string, value: string, lease?: string): Promise<TxnResult> =>
      must(await store.txn([], [{ put: prefix + key, value, ...(lease === undefined ? {} : { lease }) }]));
    const get = async (key: string): Promise<KeyValue | undefined> =>
      must(await store.txn([], [{ get: prefix + key }])).responses[0]?.[0];
    const all = async (): Promise<readonly KeyValue[]> =>
      must(await store.txn([], [{ getPrefix: prefix }])).responses[0] ?? [];
    const eventually = async (fact: () => boolean | Promise<boolean>, withinMs: number): Promise<void> => {
      for (let waitedMs = 0; !(await fact()); waitedMs += 25) {
        expect(waitedMs, 'waited too long').toBeLessThan(withinMs);
        await rig.sleep(25);
      }
    };
    const watching = (watchPrefix: string, from: number, client = store) => {
      const seen: { revision: number; events: readonly WatchEvent[] }[] = [];
      const ends: string[] = [];
      const stop = client.watch(watchPrefix, from, {
        onEvents: (events, revision) => void seen.push({ revision, events }),
        onEnd: (why) => void ends.push(why),
      });
      return { seen, ends, stop };
    };

    describe('transactions', () => {
      test('a comparison that holds carries out `then`, one that does not `orElse`, all at one revision', async () => {
        begin();
        const first = await store.txn(
          [{ key: `${prefix}a`, modRevision: 0 }],
          [
            { put: `${prefix}a`, value: '1' },
            { put: `${prefix}b`, value: '1' },
          ],
          [{ put: `${prefix}else`, value: 'x' }],
        );
        expect(must(first)).toMatchObject({ succeeded: true, responses: [[], []] });
        const { revision } = must(first);
        expect((await all()).map((kv) => [kv.key, kv.modRevision, kv.createRevision])).toEqual([
          [`${prefix}a`, revision, revision],
          [`${prefix}b`, revision, revision],
        ]);
        const second = must(
          await store.txn(
            [{ key: `${prefix}a`, modRevision: 0 }],
            [{ put: `${prefix}a`, value: '2' }],
            [{ get: `${prefix}a` }, { put: `${prefix}else`, value: 'x' }],
          ),
        );
        expect(second.succeeded).toBe(false);
        expect(second.responses.map((kvs) => kvs.map((kv) => kv.value))).toEqual([['1'], []]);
        expect((await get('a'))?.value).toBe('1');
        expect((await get('else'))?.modRevision).toBe(second.revision);
      });

      test('all comparisons must hold', async () => {
        begin();
        const { revision } = await put('a', '1');
        const both = (b: number) => [
          { key: `${prefix}a`, modRevision: revision },
          { key: `${prefix}b`, modRevision: b },
        ];
        expect(must(await store.txn(both(7), [{ put: `${prefix}c`, value: '' }])).succeeded).toBe(false);
        expect(must(await store.txn(both(0), [{ put: `${prefix}c`, value: '' }])).succeeded).toBe(true);
      });

      test('overwriting keeps the create revision, deleting and putting again does not', async () => {
        begin();
        const first = await put('a', '1');
        const second = await put('a', '2');
        expect(second.revision).toBe(first.revision + 1);
        expect(await get('a')).toEqual({
          key: `${prefix}a`,
          value: '2',
          createRevision: first.revision,
          modRevision: second.revision,
          lease: '0',
        });
        await store.txn([], [{ delete: `${prefix}a` }]);
        expect(await get('a')).toBeUndefined();
        const third = await put('a', '3');
        expect((await get('a'))?.createRevision).toBe(third.revision);
      });

      test('a value comparison tells an empty value from no key', async () => {
        begin();
        const ask = async () => must(await store.txn([{ key: `${prefix}a`, value: '' }], [])).succeeded;
        expect(await ask()).toBe(false);
        await put('a', '');
        expect(await ask()).toBe(true);
        await put('a', 'x');
        expect(await ask()).toBe(false);
        expect(must(await store.txn([{ key: `${prefix}a`, value: 'x' }], [])).succeeded).toBe(true);
      });

      test('what changes nothing takes no revision', async () => {
        begin();
        const { revision } = await put('a', '1');
        const idle = must(await store.txn([], [{ delete: `${prefix}none` }, { get: `${prefix}a` }]));
        expect(idle.revision).toBe(revision);
        expect(must(await store.txn([], [])).revision).toBe(revision);
      });

      test('a later operation sees the earlier ones of its transaction', async () => {
        begin();
        await put('b', 'old');
        const { revision, responses } = must(
          await store.txn(
            [],
            [
              { put: `${prefix}a`, value: 'new' },
              { delete: `${prefix}b` },
              { getPrefix: prefix },
              { put: `${prefix}c`, value: '' },
            ],
          ),
        );
        const lease = '0';
        expect(responses).toEqual([
          [],
          [],
          [{ key: `${prefix}a`, value: 'new', createRevision: revision, modRevision: revision, lease }],
          [],
        ]);
      });

      test('a key put twice, or put and deleted, is refused whole', async () => {
        begin();
        const twice = [
          { put: `${prefix}a`, value: '1' },
          { put: `${prefix}a`, value: '2' },
        ];
        const both = [{ put: `${prefix}a`, value: '1' }, { delete: `${prefix}a` }];
        for (const ops of [twice, both]) {
          expect(await store.txn([], ops)).toMatchObject({ kind: 'refused', code: 'invalid-request' });
          // Also when the list is not the one that would be carried out.
          expect(await store.txn([], [], ops)).toMatchObject({ kind: 'refused', code: 'invalid-request' });
        }
        expect(await all()).toEqual([]);
      });

      test('keys and values keep every character, and keys come in byte order', async () => {
        begin();
        const keys = ['a', 'b', 'ä', '\uffee', '\u{1f600}'];
        for (const key of keys.toReversed()) await put(key, `value\n\0"${key}`);
        expect((await all()).map((kv) => [kv.key, kv.value])).toEqual(
          keys.map((key) => [prefix + key, `value\n\0"${key}`]),
        );
      });

      test('a prefix takes neither its neighbours nor the key without its last character', async () => {
        begin();
        for (const key of ['p', 'p/', 'p/1', 'p/\u{10ffff}', 'p0']) await put(key, '');
        const found = must(await store.txn([], [{ getPrefix: `${prefix}p/` }])).responses[0] ?? [];
        expect(found.map((kv) => kv.key)).toEqual(['p/', 'p/1', 'p/\u{10ffff}'].map((key) => prefix + key));
      });

      test('many writers counting by compare and write count exactly', async () => {
        begin();
        const writers = 8;
        const each = 5;
        await put('n', '0');
        const count = async (client: Coordination): Promise<void> => {
          for (let counted = 0; counted < each; ) {
            const now = must(await client.txn([], [{ get: `${prefix}n` }])).responses[0]?.[0];
            expect(now).toBeDefined();
            const next = String(Number(now?.value) + 1);
            const compare = [{ key: `${prefix}n`, modRevision: now?.modRevision ?? 0 }];
            if (must(await client.txn(compare, [{ put: `${prefix}n`, value: next }])).succeeded) counted++;
          }
        };
        await Promise.all(Array.from({ length: writers }, () => count(connect())));
        expect((await get('n'))?.value).toBe(String(writers * each));
      });
    });

    describe('leases', () => {
      test('a key with a lease goes when the lease expires, not before, all keys at one revision', async () => {
        begin();
        const askedMs = rig.nowMs();
        const lease = must(await store.grant(2_000));
        expect(lease.ttlMs).toBeGreaterThanOrEqual(2_000);
        const { revision } = await put('a', '1', lease.id);
        await put('b', '2', lease.id);
        expect((await get('a'))?.lease).toBe(lease.id);
        const watch = watching(prefix, revision + 2);
        await eventually(async () => (await all()).length === 0, lease.ttlMs + rig.expiryLateMs);
        expect(rig.nowMs() - askedMs).toBeGreaterThanOrEqual(lease.ttlMs);
        await eventually(() => watch.seen.length > 0, 2_000);
        expect(watch.seen.map((moment) => moment.events.map((event) => event.kind))).toEqual([['delete', 'delete']]);
        expect(await store.keepAlive(lease.id)).toMatchObject({ kind: 'refused', code: 'lease-gone' });
      });

      test('a keepalive gives a full TTL again', async () => {
        begin();
        const lease = must(await store.grant(3_000));
        await put('a', '1', lease.id);
        let askedMs = 0;
        // Longer in all than one TTL.
        for (let turn = 0; turn < 6; turn++) {
          await rig.sleep(600);
          askedMs = rig.nowMs();
          expect(must(await store.keepAlive(lease.id))).toEqual(lease);
        }
        await eventually(async () => (await get('a')) === undefined, lease.ttlMs + rig.expiryLateMs);
        expect(rig.nowMs() - askedMs).toBeGreaterThanOrEqual(lease.ttlMs);
      });

      test('revoking takes the keys at once; what left the lease before stays', async () => {
        begin();
        const lease = must(await store.grant(60_000));
        await put('a', '1', lease.id);
        await put('b', '1', lease.id);
        const { revision } = await put('b', '2');
        must(await store.revoke(lease.id));
        expect(await all()).toMatchObject([{ key: `${prefix}b`, value: '2', lease: '0', modRevision: revision }]);
        expect(await store.revoke(lease.id)).toMatchObject({ kind: 'refused', code: 'lease-gone' });
        expect(await store.keepAlive(lease.id)).toMatchObject({ kind: 'refused', code: 'lease-gone' });
      });

      test('a key moves from lease to lease with its last put', async () => {
        begin();
        const [one, two] = [must(await store.grant(60_000)), must(await store.grant(60_000))];
        expect(one.id).not.toBe(two.id);
        await put('a', '1', one.id);
        await put('a', '2', two.id);
        must(await store.revoke(one.id));
        expect((await get('a'))?.value).toBe('2');
        must(await store.revoke(two.id));
        expect(await get('a')).toBeUndefined();
      });

      test('a put with a lease that is gone refuses the whole transaction', async () => {
        begin();
        const lease = must(await store.grant(60_000));
        must(await store.revoke(lease.id));
        const result = await store.txn(
          [],
          [
            { put: `${prefix}a`, value: '1' },
            { put: `${prefix}b`, value: '1', lease: lease.id },
          ],
        );
        expect(result).toMatchObject({ kind: 'refused', code: 'lease-gone' });
        expect(await all()).toEqual([]);
        // Only the list that is carried out is looked at.
        const other = await store.txn([], [], [{ put: `${prefix}b`, value: '1', lease: lease.id }]);
        expect(other).toMatchObject({ kind: 'done', value: { succeeded: true } });
      });
    });

    describe('watches', () => {
      test('past and present events come in order, one call for each revision, under the prefix only', async () => {
        begin();
        const first = await put('a', '1');
        await store.txn([], [{ put: `${prefix.slice(0, -1)}0`, value: 'a neighbour' }]);
        const both = must(
          await store.txn(
            [],
            [
              { put: `${prefix}a`, value: '2' },
              { put: `${prefix}b`, value: '2' },
            ],
          ),
        );
        const watch = watching(prefix, first.revision);
        await eventually(() => watch.seen.length === 2, 2_000);
        const third = must(await store.txn([], [{ delete: `${prefix}a` }, { put: `${prefix}b`, value: '3' }]));
        await eventually(() => watch.seen.length === 3, 2_000);
        const lease = '0';
        const kv = (key: string, value: string, createRevision: number, modRevision: number): WatchEvent => ({
          kind: 'put',
          kv: { key: prefix + key, value, createRevision, modRevision, lease },
        });
        expect(watch.seen).toEqual([
          { revision: first.revision, events: [kv('a', '1', first.revision, first.revision)] },
          {
            revision: both.revision,
            events: [kv('a', '2', first.revision, both.revision), kv('b', '2', both.revision, both.revision)],
          },
          {
            revision: third.revision,
            events: [
              { kind: 'delete', key: `${prefix}a`, modRevision: third.revision },
              kv('b', '3', both.revision, third.revision),
            ],
          },
        ]);
        expect(watch.ends).toEqual([]);
      });

      test('a watch from a revision to come begins there', async () => {
        begin();
        const { revision } = await put('a', '1');
        const watch = watching(prefix, revision + 2);
        await put('a', '2');
        await put('a', '3');
        await eventually(() => watch.seen.length === 1, 2_000);
        expect(watch.seen[0]?.revision).toBe(revision + 2);
      });

      test('two watchers see the same; a stopped one and a closed client see nothing more', async () => {
        begin();
        const { revision } = await put('a', '1');
        const other = connect();
        const [one, two, closed] = [
          watching(prefix, revision),
          watching(prefix, revision),
          watching(prefix, revision, other),
        ];
        await eventually(() => [one, two, closed].every((watch) => watch.seen.length === 1), 2_000);
        two.stop();
        await other.close();
        await put('a', '2');
        await eventually(() => one.seen.length === 2, 2_000);
        await rig.sleep(100);
        expect([two.seen.length, closed.seen.length]).toEqual([1, 1]);
        expect([...two.ends, ...closed.ends]).toEqual([]);
      });

      test('under load nothing is missed, doubled or out of order', async () => {
        begin();
        const { revision } = await put('n', 'first');
        const watch = watching(prefix, revision + 1);
        const results = await Promise.all(
          Array.from({ length: 60 }, (_, at) => store.txn([], [{ put: `${prefix}n${at % 7}`, value: String(at) }])),
        );
        const revisions = results.map((result) => must(result).revision).toSorted((a, b) => a - b);
        await eventually(() => watch.seen.length >= 60, 5_000);
        expect(watch.seen.map((moment) => moment.revision)).toEqual(revisions);
      });

      test('a watch from before the compaction ends and says so; one from after goes on', async () => {
        begin();
        const { revision } = await put('a', '1');
        await put('a', '2');
        await put('a', '3');
        const open = watching(prefix, revision);
        await eventually(() => open.seen.length === 3, 2_000);
        await rig.compact(revision + 1);
        const late = watching(prefix, revision);
        await eventually(() => late.ends.length === 1, 2_000);
        expect(late.ends[0]).toContain('compacted');
        expect(late.seen).toEqual([]);
        const next = watching(prefix, revision + 2);
        await put('a', '4');
        await eventually(() => open.seen.length === 4 && next.seen.length === 2, 2_000);
        expect(open.ends).toEqual([]);
      });
    });

    test('a closed client refuses', async () => {
      begin();
      const client = connect();
      await client.close();
      expect(await client.txn([], [])).toMatchObject({ kind: 'refused', code: 'store-closed' });
    });
  });
}
