import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { locateBinaries } from './locate-binaries.ts';
import { chooseRunAs, reachableFor } from './run-as.ts';
import { type TestGroup, type TestNode, must, realClock, startTestGroup, until } from './testing.ts';

const dist = (path: string): string => new URL(`../../../dist/database/postgres/${path}`, import.meta.url).href;

/** Runs a method of a node's database in a process of its own, to be killed in the middle. */
function inOtherProcess(node: TestNode, call: string): ChildProcess {
  const program = `
    import { openPostgres } from ${JSON.stringify(dist('region-database.js'))};
    import { nodeClock } from ${JSON.stringify(dist('../../telemetry/node-clock.js'))};
    const db = openPostgres(${JSON.stringify(node.config)}, nodeClock);
    const progress = (text, done) => process.stdout.write(text + ' ' + (done ?? 0) + '\\n');
    console.log(JSON.stringify(await db.${call}));`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
}

/** Kills the process and its children as soon as it printed `text`, `afterMs` later. */
async function killAfter(child: ChildProcess, text: string, afterMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (out: string) => {
      if (out.includes(text)) resolve();
    });
    child.once('exit', () => resolve());
  });
  await realClock.sleep(afterMs);
  expect(child.exitCode).toBeNull();
  process.kill(-(child.pid ?? 0), 'SIGKILL');
}

describe('making a data directory', () => {
  let group: TestGroup;
  let a: TestNode;
  let b: TestNode;
  const noProgress = (): void => undefined;

  beforeAll(async () => {
    group = await startTestGroup({ names: ['eu-west-1', 'us-east-1'] });
    const [first, second] = group.nodes;
    if (first === undefined || second === undefined) throw new Error('two nodes');
    [a, b] = [first, second];
  });
  afterAll(() => group.end());

  const besides = async (node: TestNode): Promise<string[]> =>
    (await readdir(dirname(node.config.dataDir))).filter((name) => name.startsWith('data'));

  test('a killed initdb leaves no half-made data directory; the next one works and keeps the rest aside', async () => {
    const child = inOtherProcess(a, 'init(progress)');
    await killAfter(child, 'making the cluster', 100);
    expect(existsSync(join(a.config.dataDir, 'PG_VERSION'))).toBe(false);
    expect((await a.db.status()).state).toBe('empty');
    must(await a.db.init(noProgress));
    expect(await besides(a)).toEqual(['data', 'data.making.interrupted']);
    expect(await readdir(a.config.runDir)).not.toContainEqual(expect.stringContaining('initdb-'));
  });

  test('a folder that holds something else is refused and left as it is', async () => {
    await mkdir(b.config.dataDir);
    await writeFile(join(b.config.dataDir, 'thesis.txt'), 'ten years of work');
    expect(await b.db.init(noProgress)).toMatchObject({ kind: 'refused', code: 'FSH_STATE_FOREIGN' });
    expect(await b.db.clone(a.upstream(1), noProgress, new AbortController().signal)).toMatchObject({
      kind: 'refused',
      code: 'FSH_STATE_FOREIGN',
    });
    expect(await b.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'empty' });
    expect(await readFile(join(b.config.dataDir, 'thesis.txt'), 'utf8')).toBe('ten years of work');
    await rm(b.config.dataDir, { recursive: true });
    await mkdir(`${b.config.dataDir}.making`);
    await writeFile(join(`${b.config.dataDir}.making`, 'thesis.txt'), 'ten years of work');
    expect(await b.db.init(noProgress)).toMatchObject({ kind: 'refused', code: 'FSH_STATE_FOREIGN' });
    expect(await readdir(`${b.config.dataDir}.making`)).toEqual(['thesis.txt']);
    await rm(`${b.config.dataDir}.making`, { recursive: true });
  });

  test('a killed clone is begun again; an aborted one leaves nothing', async () => {
    must(await a.db.startFirst(1, { epoch: 1, w: 0, names: [] }));
    const app = await a.connect('app');
    await app.query(`CREATE TABLE big AS SELECT g, repeat(md5(g::text), 30) FROM generate_series(1, 40000) g`);
    await app.end();
    const child = inOtherProcess(b, `clone(${JSON.stringify(a.upstream(1))}, progress, new AbortController().signal)`);
    await killAfter(child, 'copying', 0);
    expect(await besides(b)).toEqual(['data.making']);
    expect((await b.db.status()).state).toBe('empty');

    const abort = new AbortController();
    const aborted = await b.db.clone(a.upstream(1), () => abort.abort(new Error('enough')), abort.signal);
    expect(aborted.kind).not.toBe('done');
    expect(await besides(b)).toEqual([]);

    const reports: (readonly [number, number])[] = [];
    const seen = (_: string, done?: number, total?: number): void => {
      if (done !== undefined && total !== undefined) reports.push([done, total]);
    };
    must(await b.db.clone(a.upstream(1), seen, new AbortController().signal));
    expect(await besides(b)).toEqual(['data']);
    expect(reports.length).toBeGreaterThan(10);
    const [doneBytes, totalBytes] = reports.at(-1) ?? [0, 1];
    expect(doneBytes / totalBytes).toBeGreaterThan(0.5);
    must(await b.db.startIsolated());
    const rows = await b.connect('app').then(async (client) => {
      const { rowCount } = await client.query('SELECT FROM big');
      await client.end();
      return rowCount;
    });
    expect(rows).toBe(40_000);
  });

  test('no secret is in an argument, a log or a configuration file', async () => {
    const secrets = Object.values(JSON.parse(await readFile(a.config.secretsPath, 'utf8')) as Record<string, string>);
    must(await b.db.follow(a.upstream(1)));
    await until(b.db, (status) => status.receiving);
    for (const { config } of [a, b]) {
      const texts = await Promise.all([
        readFile(config.logPath, 'utf8'),
        ...['postgresql.conf', 'postgresql.auto.conf', 'farshore.conf', 'pg_hba.conf'].map((name) =>
          readFile(join(config.dataDir, name), 'utf8'),
        ),
      ]);
      for (const secret of secrets) for (const text of texts) expect(text).not.toContain(secret);
    }
  });

  test('damaged data is refused with a reason, and kept', async () => {
    must(await b.db.stop('kill'));
    const control = join(b.config.dataDir, 'global/pg_control');
    const before = await readFile(control);
    await writeFile(control, Buffer.alloc(before.length, 7));
    const outcome = await b.db.startIsolated();
    expect(outcome).toMatchObject({ kind: 'refused', code: 'FSH_DATA_CORRUPT' });
    expect(existsSync(join(b.config.dataDir, 'base'))).toBe(true);
    expect((await b.db.status()).state).toBe('stopped');
    await writeFile(control, before);
    must(await b.db.startIsolated());
  });

  test('data of another major version is refused before anything is started', async () => {
    must(await b.db.stop('fast'));
    await writeFile(join(b.config.dataDir, 'PG_VERSION'), '14\n');
    expect(await b.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'FSH_POSTGRES_MISSING' });
  });

  test('a port in use is said', async () => {
    must(await a.db.stop('fast'));
    const { createServer } = await import('node:net');
    const squatter = createServer().listen(a.config.port, a.config.host);
    expect(await a.db.startIsolated()).toMatchObject({ kind: 'refused', code: 'FSH_PORT_IN_USE' });
    await new Promise((closed) => squatter.close(closed));
    must(await a.db.startIsolated());
  });
});

describe('binaries', () => {
  test('a copy is made when the user PostgreSQL runs as can not reach them, with its links', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'farshore cache-'));
    await chmod(cacheDir, 0o755);
    // A user of whom nothing is known but that it does not own this folder.
    const stranger = { uid: 64_999, gid: 64_999 };
    const closed = await mkdtemp(join(tmpdir(), 'farshore-closed-'));
    expect(reachableFor(closed, stranger)).toBe(false);
    expect(reachableFor(cacheDir, stranger)).toBe(true);
    const found = await locateBinaries({ runAs: chooseRunAs(), cacheDir });
    expect(found.version).toMatch(/^\d+\.\d+$/);
    await rm(cacheDir, { recursive: true });
    await rm(closed, { recursive: true });
  });

  test('a folder without PostgreSQL is an error that says what to do', async () => {
    await expect(locateBinaries({ postgresBin: '/nowhere', runAs: null, cacheDir: '/nowhere' })).rejects.toMatchObject({
      code: 'FSH_POSTGRES_MISSING',
    });
  });
});
