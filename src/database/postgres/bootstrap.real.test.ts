import { existsSync } from 'node:fs';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SyncList } from '../../ports/database.ts';
import { FRESH_MARKER } from './init.ts';
import { type TestGroup, type TestNode, must, oneVersionOrMore, startTestGroup, until } from './testing.ts';

describe.each(oneVersionOrMore)('the first start, interrupted and repeated, on PostgreSQL ($label)', (version) => {
  let group: TestGroup;
  let a: TestNode;
  let systemId: string;
  const nobody: SyncList = { epoch: 1, w: 0, names: [] };
  const noProgress = (): void => undefined;
  const inData = (name: string): string => join(a.config.dataDir, name);

  beforeEach(async () => {
    group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1'] });
    const [first] = group.nodes;
    if (first === undefined) throw new Error('a node');
    a = first;
    ({ systemId } = must(await a.db.init(noProgress)));
  });
  afterEach(() => group.end());

  /** What a start-up by hand, or one by an older Farshore, left: a fresh cluster that runs as a standby. */
  const runAsStandby = async (): Promise<void> => {
    await writeFile(inData('standby.signal'), '');
    const reply = await a.keeper.call({ do: 'start' }, 40_000);
    expect(reply.ok).toBe(true);
  };

  const expectOpened = async (): Promise<void> => {
    // On a busy machine one look may end before PostgreSQL answers.
    const opened = await until(a.db, (status) => status.state === 'primary');
    expect(opened).toMatchObject({ state: 'primary', systemId, timeline: 1, storedEpoch: 1 });
    expect(existsSync(inData(FRESH_MARKER))).toBe(false);
    expect(existsSync(inData('standby.signal'))).toBe(false);
    const app = await a.connect('app');
    await app.query('CREATE TABLE t (id int)');
    await app.end();
    expect(await a.db.startFirst(1, nobody)).toMatchObject({ kind: 'refused', code: 'not-fresh' });
  };

  test('init says the same cluster again, also while it runs, and makes nothing', async () => {
    const made = await stat(inData('PG_VERSION'));
    expect(must(await a.db.init(noProgress))).toEqual({ systemId });
    await runAsStandby();
    expect(must(await a.db.init(noProgress))).toEqual({ systemId });
    expect((await stat(inData('PG_VERSION'))).ino).toBe(made.ino);
  });

  test('a fresh cluster is not started isolated, and nothing in it changes', async () => {
    const before = (await readdir(a.config.dataDir)).sort();
    const settings = await readFile(inData('postgresql.auto.conf'));
    expect(await a.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'fresh' });
    expect((await readdir(a.config.dataDir)).sort()).toEqual(before);
    expect(await readFile(inData('postgresql.auto.conf'))).toEqual(settings);
    expect((await a.db.status()).state).toBe('stopped');
    await runAsStandby();
    expect(await a.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'fresh' });
  });

  test('a signal file that was left does not make the first primary a standby', async () => {
    await writeFile(inData('standby.signal'), '');
    expect(must(await a.db.startFirst(1, nobody))).toEqual({ systemId });
    await expectOpened();
  });

  test('one that runs as a standby is stopped and started as the primary', async () => {
    await runAsStandby();
    const { pid } = await postmaster();
    expect(must(await a.db.startFirst(1, nobody))).toEqual({ systemId });
    expect((await postmaster()).pid).not.toBe(pid);
    await expectOpened();
  });

  test('killed as a standby, it is started as the primary', async () => {
    await runAsStandby();
    must(await a.db.stop('kill'));
    expect(must(await a.db.startFirst(1, nobody))).toEqual({ systemId });
    await expectOpened();
  });

  test('stopped before the marker went, with a list in force that nobody confirms, it is finished', async () => {
    const [, b] = group.nodes;
    if (b === undefined) throw new Error('two nodes');
    const list: SyncList = { epoch: 1, w: 1, names: [b.node] };
    must(await a.db.startFirst(1, list));
    const { pid } = await postmaster();
    must(await a.db.settleSyncList(list, ['in-force'], 10_000));
    await writeFile(inData(FRESH_MARKER), '');
    expect(must(await a.db.startFirst(1, list))).toEqual({ systemId });
    // It ran as a primary already: it still does.
    expect((await postmaster()).pid).toBe(pid);
    await writeFile(inData(FRESH_MARKER), '');
    must(await a.db.stop('kill'));
    expect(must(await a.db.startFirst(1, list))).toEqual({ systemId });
    expect((await a.db.status()).syncList).toEqual(list);
    expect(existsSync(inData(FRESH_MARKER))).toBe(false);
  });

  const postmaster = async (): Promise<{ pid: number }> => {
    const reply = await a.keeper.call({ do: 'status' });
    if (!reply.ok || reply.status.postgres === null) throw new Error('PostgreSQL does not run');
    return reply.status.postgres;
  };
});
