import { afterEach, describe, expect, test } from 'vitest';
import { forgetWal, type TestGroup, type TestNode, must, postgresVersions, startTestGroup, until } from './testing.ts';

const unseen = (): void => undefined;
let group: TestGroup | null = null;
afterEach(async () => {
  await group?.end();
  group = null;
});

/** A primary and a standby that followed it and stands isolated now. */
async function pair(version: (typeof postgresVersions)[number]): Promise<readonly [TestNode, TestNode]> {
  group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1'] });
  const [a, b] = group.nodes;
  if (a === undefined || b === undefined) throw new Error('two nodes');
  must(await a.db.init(unseen));
  must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
  must(await b.db.clone(a.upstream(1), unseen, new AbortController().signal));
  must(await b.db.startIsolated());
  must(await b.db.follow(a.upstream(1)));
  await until(b.db, (status) => status.receiving);
  must(await b.db.detach());
  await until(b.db, (status) => status.localWalReplayed);
  return [a, b];
}

describe.each(postgresVersions)('a standby that was away for long on PostgreSQL ($label)', (version) => {
  test('while the WAL it needs is there its data stays; once it is gone the data goes, and a clone follows (I7)', async () => {
    const [a, b] = await pair(version);
    expect(must(await b.db.compareWith(a.upstream(1))).verdict).toBe('same-branch');
    expect(await b.db.discardBehind(a.upstream(1))).toMatchObject({ kind: 'refused', code: 'same-branch' });
    expect(await b.db.status()).toMatchObject({ state: 'standby', storedEpoch: 1 });

    await forgetWal(a);
    expect(must(await b.db.compareWith(a.upstream(1))).verdict).toBe('behind');
    must(await b.db.discardBehind(a.upstream(1)));
    expect(await b.db.status()).toMatchObject({ state: 'empty' });
    // A primary does so all the while: the slot whose WAL is gone can't be used again.
    must(await a.db.keepSalvageSlot(null));
    must(await b.db.clone(a.upstream(1), unseen, new AbortController().signal));
    must(await b.db.startIsolated());
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
  });

  test('what holds something alone is never removed, however far behind the upstream it seems (I7)', async () => {
    const [a, b] = await pair(version);
    must(await b.db.promote(2));
    const app = await b.connect('app');
    await app.query('CREATE TABLE alone (id int)');
    await app.end();
    must(await b.db.stop('fast'));
    must(await b.db.startIsolated());
    await until(b.db, (status) => status.localWalReplayed);
    await forgetWal(a);
    expect(await b.db.discardBehind(a.upstream(1))).toMatchObject({ kind: 'refused', code: 'diverged' });
    expect(await b.db.status()).toMatchObject({ state: 'standby', storedEpoch: 2 });
  });
});
