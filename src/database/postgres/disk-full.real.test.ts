import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestGroup, type TestNode, must, oneVersionOrMore, startTestGroup, until } from './testing.ts';

const noProgress = (): void => undefined;
const never = new AbortController().signal;
const alone = (epoch: number) => ({ epoch, w: 0, names: [] });
const mounts: string[] = [];
const run = (program: string, args: readonly string[]): void => void execFileSync(program, args);

/** A small file system of its own at `path`. Only root may. */
function smallDisk(path: string, size: string): void {
  mkdirSync(path, { recursive: true });
  run('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'farshore-test', path]);
  mounts.push(path);
}
function unmount(path: string): void {
  run('umount', [path]);
  mounts.splice(mounts.indexOf(path), 1);
}

describe.skipIf(process.getuid?.() !== 0).each(oneVersionOrMore)(
  'a full disk, as root, PostgreSQL ($label)',
  (version) => {
    let group: TestGroup;
    let a: TestNode;
    let b: TestNode;

    beforeAll(async () => {
      group = await startTestGroup({ ...version, names: ['eu-west-1', 'us-east-1'] });
      const [first, second] = group.nodes;
      if (first === undefined || second === undefined) throw new Error('two nodes');
      [a, b] = [first, second];
      must(await a.db.init(noProgress));
      must(await a.db.startFirst(1, alone(1)));
      must(await a.db.keepSalvageSlot(null));
      must(await b.db.clone(a.upstream(1), noProgress, never));
      must(await b.db.startIsolated());
      const app = await a.connect('app');
      await app.query(`CREATE TABLE kept (id int PRIMARY KEY, v text)`);
      await app.end();
    });
    afterAll(async () => {
      for (const node of group.nodes) await node.db.stop('kill');
      for (const path of mounts.splice(0)) run('umount', ['-l', path]);
      await group.end();
    });

    test('a salvage that finds no room leaves the data as it was, and succeeds when there is some (I7)', async () => {
      must(await b.db.follow(a.upstream(1)));
      await until(b.db, (status) => status.receiving);
      const end = (await a.db.status()).endLsn ?? '0/0';
      await until(a.db, (status) => status.standbys.some((s) => (s.flushLsn ?? '') >= end));
      must(await a.db.keepSalvageSlot(end));
      must(await b.db.detach());
      const app = await a.connect('app');
      await app.query(`INSERT INTO kept SELECT g, repeat('x', 200) FROM generate_series(1, 2000) g`);
      await app.end();
      must(await b.db.promote(2));
      must(await a.db.stop('kill'));
      must(await a.db.startIsolated());
      await until(a.db, (status) => status.localWalReplayed);
      const root = `${dirname(a.config.dataDir)}/salvage`;
      smallDisk(root, '128k');
      expect(await a.db.salvage(b.upstream(2), 'takeover-2')).toMatchObject({ kind: 'refused', code: 'FSH_DISK_FULL' });
      expect(readdirSync(root)).toEqual([]);
      expect(existsSync(`${a.config.dataDir}/PG_VERSION`)).toBe(true);
      unmount(root);
      must(await a.db.startIsolated());
      await until(a.db, (status) => status.localWalReplayed);
      expect(must(await a.db.salvage(b.upstream(2), 'takeover-2'))).toMatchObject({
        complete: true,
        changes: { insert: 2000 },
      });
    });

    test('WAL that finds no room ends the primary; it starts as a standby with every acknowledged row, and can be promoted when there is room again', async () => {
      must(await b.db.stop('fast'));
      const wal = `${b.config.dataDir}/pg_wal`;
      renameSync(wal, `${wal}.away`);
      smallDisk(wal, '80m');
      cpSync(`${wal}.away`, wal, { recursive: true });
      rmSync(`${wal}.away`, { recursive: true });
      const owner = b.config.runAs === null ? 'root' : `${b.config.runAs.uid}:${b.config.runAs.gid}`;
      run('chown', ['-R', owner, wal]);
      must(await b.db.startIsolated());
      must(await b.db.promote(3));
      const app = await b.connect('app');
      let acknowledged = 0;
      const ended = await (async () => {
        for (;;) {
          await app.query(
            `INSERT INTO kept SELECT 10000 + $1, string_agg(md5(random()::text), '') FROM generate_series(1, 30000)`,
            [acknowledged],
          );
          acknowledged += 1;
        }
      })().catch((error: unknown) => String(error));
      expect(ended).not.toBe('');
      expect(acknowledged).toBeGreaterThan(10);
      await until(b.db, (status) => status.state === 'stopped');
      // A standby writes no WAL of its own.
      must(await b.db.startIsolated());
      await until(b.db, (status) => status.localWalReplayed);
      const reader = await b.connect('app');
      const { rows } = await reader.query<{ n: number }>('SELECT count(*)::int AS n FROM kept WHERE id >= 10000');
      expect(rows[0]?.n).toBeGreaterThanOrEqual(acknowledged);
      await reader.end();
      const promoted = await b.db.promote(4);
      expect(promoted.kind).not.toBe('done');
      run('mount', ['-o', 'remount,size=400m', wal]);
      must(await b.db.stop('kill'));
      must(await b.db.startIsolated());
      await until(b.db, (status) => status.localWalReplayed);
      expect(must(await b.db.promote(5))).toMatchObject({ storedEpoch: 5 });
      const after = await b.connect('app');
      const again = await after.query<{ n: number }>('SELECT count(*)::int AS n FROM kept WHERE id >= 10000');
      expect(again.rows).toEqual(rows);
      await after.end();
    });
  },
);
