import { existsSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Salvage } from '../../../ports/database.ts';
import { silentPath } from '../testing-path.ts';
import { type TestGroup, type TestNode, must, postgresVersions, startTestGroup, until } from '../testing.ts';

const noProgress = (): void => undefined;
const never = new AbortController().signal;
const alone = (epoch: number) => ({ epoch, w: 0, names: [] });

interface Line {
  readonly table: string;
  readonly op: string;
  readonly old: Record<string, string | null> | null;
  readonly new: Record<string, string | null> | null;
  readonly commitLsn: string;
}
const linesOf = async (saved: Salvage): Promise<Line[]> =>
  (await readFile(`${saved.folder}/changes.jsonl`, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);

/** P8.3, in order: a primary that goes on after its standby was promoted; what it holds alone is saved, then it is remade. */
describe.each(postgresVersions)('salvage on PostgreSQL ($label)', (version) => {
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
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
    const app = await a.connect('app');
    await app.query(`
      CREATE TABLE orders (id int PRIMARY KEY, note text, "we]:ird" text[], twice int GENERATED ALWAYS AS (id * 2) STORED);
      CREATE TABLE whole (id int PRIMARY KEY, n numeric, at timestamptz); ALTER TABLE whole REPLICA IDENTITY FULL;
      INSERT INTO orders (id, note) SELECT g, 'before' FROM generate_series(1, 50) g;
      INSERT INTO whole SELECT g, g / 8.0, '2026-01-01 00:00:00+00' FROM generate_series(1, 10) g`);
    await app.end();
    const end = (await a.db.status()).endLsn ?? '0/0';
    await until(a.db, (status) => status.standbys.some((s) => (s.flushLsn ?? '') >= end));
    must(await a.db.keepSalvageSlot(end));
  });
  afterAll(() => group.end());

  let saved: Salvage;

  test('what the promoted standby lacks is written as lines and as a script, and nothing else', async () => {
    must(await b.db.detach());
    const app = await a.connect('app');
    await app.query(`INSERT INTO orders VALUES (901, E'it''s \\\\ a\\nline -- ; "x"', '{a,"b c"}')`);
    await app.query(
      `BEGIN; UPDATE orders SET note = 'after' WHERE id = 5; SAVEPOINT s; DELETE FROM orders WHERE id = 7; COMMIT`,
    );
    await app.query(`UPDATE whole SET n = 'NaN' WHERE id = 3; DELETE FROM whole WHERE id = 4`);
    await app.query(`BEGIN; INSERT INTO orders (id) VALUES (999); ROLLBACK`);
    await app.end();
    must(await a.db.heartbeat(2_000));
    must(await b.db.promote(2));
    must(await a.db.stop('kill'));
    must(await a.db.startIsolated());
    await until(a.db, (status) => status.localWalReplayed);
    expect(must(await a.db.compareWith(b.upstream(2))).verdict).toBe('diverged');

    saved = must(await a.db.salvage(b.upstream(2), 'takeover-2'));
    expect(saved).toMatchObject({
      how: 'decoded',
      complete: true,
      operation: 'takeover-2',
      transactions: 3,
      changes: { insert: 1, update: 2, delete: 2, truncate: 0, image: 0 },
      tables: { 'public.orders': 3, 'public.whole': 2 },
    });
    expect(saved.ownChanges).toBeGreaterThan(0);
    const lines = await linesOf(saved);
    expect(lines.map((line) => `${line.table} ${line.op}`)).toEqual([
      'public.orders insert',
      'public.orders update',
      'public.orders delete',
      'public.whole update',
      'public.whole delete',
    ]);
    expect(lines[0]?.new).toEqual({
      id: '901',
      note: 'it\'s \\ a\nline -- ; "x"',
      '"we]:ird"': '{a,"b c"}',
      twice: '1802',
    });
    expect(lines[3]).toMatchObject({ old: { id: '3', n: '0.37500000000000000000' }, new: { n: 'NaN' } });
    expect(statSync(`${saved.folder}/changes.jsonl`).mode & 0o777).toBe(0o600);
    expect(statSync(`${saved.folder}/replay.sql`).mode & 0o777).toBe(0o600);
    expect(await a.db.salvages()).toEqual([saved]);
  });

  test('the script brings the rows to the new primary, and leaves alone what was written there since', async () => {
    const app = await b.connect('app');
    await app.query(`UPDATE whole SET n = 100 WHERE id = 4; INSERT INTO orders (id, note) VALUES (902, 'newer')`);
    const script = await readFile(`${saved.folder}/replay.sql`, 'utf8');
    await app.query(script);
    await app.query(script);
    const orders = await app.query(
      `SELECT id, note, "we]:ird"::text AS odd FROM orders WHERE id IN (5, 7, 901, 902, 999) ORDER BY id`,
    );
    expect(orders.rows).toEqual([
      { id: 5, note: 'after', odd: null },
      { id: 901, note: 'it\'s \\ a\nline -- ; "x"', odd: '{a,"b c"}' },
      { id: 902, note: 'newer', odd: null },
    ]);
    const whole = await app.query('SELECT id, n::text FROM whole WHERE id IN (3, 4) ORDER BY id');
    expect(whole.rows).toEqual([
      { id: 3, n: 'NaN' },
      { id: 4, n: '100' },
    ]);
    await app.end();
  });

  test('only then is the data removed, and the node made again without a slot (I7, P8.4)', async () => {
    expect(await a.db.discard({ ...saved, folder: '/nowhere' })).toMatchObject({ kind: 'refused' });
    must(await a.db.stop('kill'));
    expect(await a.db.discard({ ...saved, folder: '/nowhere' })).toMatchObject({ kind: 'refused', code: 'not-saved' });
    expect(existsSync(`${a.config.dataDir}/PG_VERSION`)).toBe(true);
    must(await a.db.discard(saved));
    expect((await a.db.status()).state).toBe('empty');
    expect(await a.db.rewind(b.upstream(2), { ...saved, folder: '/nowhere' })).toMatchObject({ code: 'not-saved' });
    must(await a.db.clone(b.upstream(2), noProgress, never));
    must(await a.db.startIsolated());
    must(await a.db.follow(b.upstream(2)));
    await until(a.db, (status) => status.receiving);
    expect(existsSync(`${saved.folder}/index.json`)).toBe(true);
  });

  test('without a slot the rows are saved as images, said to be no more, and the data is kept', async () => {
    // Nobody has made one since b was promoted.
    must(await a.db.detach());
    const app = await b.connect('app');
    await app.query(
      `BEGIN; INSERT INTO orders (id, note) VALUES (2001, 'x'); SAVEPOINT s; UPDATE orders SET note = 'y' WHERE id = 9; COMMIT`,
    );
    await app.query('DELETE FROM orders WHERE id = 10; CREATE TABLE later (id int PRIMARY KEY)');
    await app.end();
    must(await a.db.promote(3));
    must(await a.db.keepSalvageSlot(null));
    must(await b.db.stop('kill'));
    must(await b.db.startIsolated());
    await until(b.db, (status) => status.localWalReplayed);
    const images = must(await b.db.salvage(a.upstream(3), 'takeover-3'));
    expect(images).toMatchObject({ how: 'images', complete: false, changes: { image: 2 }, transactions: 1 });
    expect(images.why).toContain('images only, deletes and old values unknown');
    expect(images.why).toContain('later');
    expect((await linesOf(images)).map((line) => [line.op, line.new?.['id'], line.new?.['note']])).toEqual([
      ['image', '2001', 'x'],
      ['image', '9', 'y'],
    ]);
    must(await b.db.stop('kill'));
    expect(await b.db.discard(images)).toMatchObject({ kind: 'refused', code: 'not-saved' });
    const again = must(await b.db.startIsolated().then(() => b.db.salvage(a.upstream(3), 'takeover-3')));
    expect(again.folder).toBe(`${images.folder}-2`);
    must(await b.db.stop('kill'));
  });

  test('after a complete salvage the node is rewound where the system has pg_rewind, and starts isolated while writes go on', async () => {
    must(await b.db.setAside('images'));
    must(await b.db.clone(a.upstream(3), noProgress, never));
    must(await b.db.startIsolated());
    must(await b.db.follow(a.upstream(3)));
    await until(b.db, (status) => status.receiving);
    must(await b.db.detach());
    const app = await a.connect('app');
    await app.query(`INSERT INTO orders (id, note) VALUES (3001, 'lost')`);
    await app.end();
    must(await b.db.promote(4));
    must(await a.db.stop('kill'));
    must(await a.db.startIsolated());
    await until(a.db, (status) => status.localWalReplayed);
    const path = await silentPath(b.upstream(4));
    path.hold(2_000_000);
    const ahead = await a.db.copyAhead(path.upstream, never);
    expect(ahead).toMatchObject(version.label === 'npm' ? { kind: 'done' } : { kind: 'refused', code: 'rewinds' });
    const complete = must(await a.db.salvage(b.upstream(4), 'takeover-4'));
    expect(complete).toMatchObject({ complete: true, changes: { insert: 1 } });
    must(await a.db.stop('fast'));
    let writes = true;
    const writing = (async () => {
      const writer = await b.connect('app');
      for (let id = 4_000; writes; id++)
        await writer.query(`INSERT INTO orders (id, note) VALUES (${id}, repeat('x', 500))`);
      await writer.end();
    })();
    const rewound = await a.db.rewind(b.upstream(4), complete);
    if (version.label === 'npm') {
      expect(rewound).toMatchObject({ kind: 'refused', code: 'no-pg-rewind' });
      // The copy that was begun while the rows were saved is held back: what is here stays, and can be read (P3.2).
      must(await a.db.startIsolated());
      await path.silent();
      const copied = a.db.copyBeside(path.upstream, noProgress, never);
      const reader = await a.connect('app');
      expect((await reader.query('SELECT FROM orders WHERE id = 3001')).rowCount).toBe(1);
      await reader.end();
      path.release();
      must(await copied);
      expect(existsSync(`${a.config.dataDir}.making`)).toBe(true);
      expect((await a.db.status()).state).toBe('standby');
      expect(await a.db.replace(path.upstream, { ...complete, folder: '/nowhere' })).toMatchObject({
        code: 'not-saved',
      });
      must(await a.db.replace(path.upstream, complete));
      expect(existsSync(`${a.config.dataDir}.making`)).toBe(false);
    } else must(rewound);
    must(await a.db.startIsolated());
    expect(must(await a.db.compareWith(b.upstream(4))).verdict).toBe('same-branch');
    must(await a.db.follow(b.upstream(4)));
    await until(a.db, (status) => status.receiving && status.storedEpoch === 4);
    writes = false;
    await writing;
    await path.end();
    const admin = await a.connect('farshore_admin');
    expect((await admin.query('SELECT FROM orders WHERE id = 3001')).rowCount).toBe(0);
    const inherited = await admin.query(
      `SELECT current_setting('port') AS port, current_setting('synchronous_standby_names') AS list`,
    );
    expect(inherited.rows).toEqual([{ port: String(a.config.port), list: '' }]);
    await admin.end();
  });

  test('a rewind that was interrupted leaves nothing that starts', async () => {
    must(await a.db.stop('fast'));
    await writeFile(`${a.config.dataDir}/farshore-rewinding`, '');
    expect(await a.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'half-rewound' });
  });
});
