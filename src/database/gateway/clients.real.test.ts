import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEBIAN_15, poll, run, startPostgres, startTestGateway, tempDir } from './bench/world.ts';
import type { TestGateway, TestPostgres } from './bench/world.ts';
import { RawClient, startup } from './raw-client.testing.ts';

/** Any client works through the gateway (P7.4). User `app` authenticates with SCRAM. */
let temp: Awaited<ReturnType<typeof tempDir>>;
let postgres: TestPostgres;
let gateway: TestGateway;
const APP = { PGUSER: 'app', PGPASSWORD: 'app-password', PGDATABASE: 'postgres' };
const JDBC = '/usr/share/java/postgresql.jar';

const psql = (args: readonly string[], env: Record<string, string> = {}, input = '') =>
  run('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', String(gateway.rw), ...args], {
    env: { ...APP, ...env },
    input,
  });

beforeAll(async () => {
  temp = await tempDir();
  postgres = await startPostgres(`${temp.dir}/pg`, DEBIAN_15);
  const certificate = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=localhost', '-days', '2'];
  const tls = { certPath: `${temp.dir}/cert.pem`, keyPath: `${temp.dir}/key.pem` };
  await run('openssl', [...certificate, '-keyout', tls.keyPath, '-out', tls.certPath]);
  gateway = await startTestGateway(temp.dir, 'a', postgres, { tls });
  await gateway.table();
  const made = await psql(['-c', "create role app login password 'app-password'; grant all on schema public to app"], {
    PGUSER: 'postgres',
  });
  expect(made.err).toBe('');
});
afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
  await temp.remove();
});

const connectPg = async (change: pg.ClientConfig = {}): Promise<pg.Client> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: gateway.rw,
    user: 'app',
    password: 'app-password',
    database: 'postgres',
    ...change,
  });
  await client.connect();
  return client;
};

describe('psql', () => {
  it('authenticates with SCRAM, and a wrong password is refused by PostgreSQL', async () => {
    expect((await psql(['-c', 'select current_user'])).out).toBe('app\n');
    expect((await psql(['-c', 'select 1'], { PGPASSWORD: 'wrong' })).err).toMatch(/password authentication failed/);
  });

  it.each(['disable', 'require'])('copies in and out, byte for byte, sslmode=%s', async (sslmode) => {
    const rows = Array.from({ length: 60_000 }, (_, row) => `${row}\t${'x'.repeat(row % 97)}`).join('\n');
    const env = { PGSSLMODE: sslmode };
    const table = `copied_${sslmode}`;
    await psql(['-c', `create table ${table} (a int, b text)`]);
    const copied = await psql(['-c', `copy ${table} from stdin`], env, `${rows}\n`);
    expect(copied.err).toBe('');
    const { out } = await psql(['-c', `copy (select * from ${table} order by a) to stdout`], env);
    expect(out === `${rows}\n`).toBe(true);
  });

  it('is encrypted when it asks', async () => {
    const { out } = await psql(['-c', '\\conninfo'], { PGSSLMODE: 'require' });
    expect(out).toMatch(/SSL connection \(protocol: TLSv1\.3/);
  });

  it('cancels with Ctrl-C over TLS', async () => {
    const { out, err } = await run('timeout', ['-s', 'INT', '0.7', 'psql', '-X', '-c', 'select pg_sleep(20)'], {
      env: { ...APP, PGHOST: '127.0.0.1', PGPORT: String(gateway.rw), PGSSLMODE: 'require' },
    });
    expect(out + err).toMatch(/canceling statement due to user request/);
  });

  it.each([
    ['channel_binding=require', {}, /channel binding (?:is )?required/],
    ['replication=database', {}, /replication connections are not led through the gateway/],
    ['dbname=postgres', { PGOPTIONS: '-c synchronous_commit=off' }, /synchronous_commit=off is refused/],
    ['dbname=postgres', { PGOPTIONS: '--client-min-messages=error' }, /client_min_messages=error is refused/],
    ["options='-csynchronous\\_commit=local'", {}, /synchronous_commit=local is refused/],
  ])('%s %o is refused clearly', async (conninfo, env, message) => {
    const { code, err } = await psql(['-c', 'select 1', conninfo], env);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });

  it('may ask for more, or for other settings', async () => {
    const PGOPTIONS = '-c synchronous_commit=remote_apply -c client_min_messages=warning -c work_mem=5MB';
    expect((await psql(['-c', 'show work_mem'], { PGOPTIONS })).out).toBe('5MB\n');
  });
});

describe('node-postgres', () => {
  it('simple, parametrised, prepared, large values both ways', async () => {
    const client = await connectPg();
    expect((await client.query('select 1 as one; select 2 as two')) as unknown).toHaveLength(2);
    const big = 'y'.repeat(3_000_000);
    const back = await client.query<{ text: string }>({ name: 'big', text: 'select $1::text as text', values: [big] });
    expect(back.rows[0]?.text === big).toBe(true);
    const many = await client.query('select n from generate_series(1, 100000) n');
    expect(many.rowCount).toBe(100_000);
    await expect(client.query('select no_such_column')).rejects.toMatchObject({ code: '42703' });
    await client.end();
  });

  it('is notified while it is idle', async () => {
    const listener = await connectPg();
    const notified = new Promise<string>((resolve) => {
      listener.on('notification', (message) => resolve(message.payload ?? ''));
    });
    await listener.query('listen orders');
    await psql(['-c', "notify orders, 'order 7'"]);
    expect(await notified).toBe('order 7');
    await listener.end();
  });

  it('over TLS', async () => {
    const client = await connectPg({
      ssl: { ca: await readFile(`${temp.dir}/cert.pem`, 'utf8'), servername: 'localhost' },
    });
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.end();
  });

  it('150 connections at once leave nothing behind', async () => {
    const clients = await Promise.all(Array.from({ length: 150 }, () => connectPg()));
    await Promise.all(clients.map((client) => client.query('select 1')));
    await Promise.all(clients.map((client) => client.end()));
    await poll('all sessions are gone', async () => {
      const status = await gateway.client.status();
      return status.kind === 'done' && status.value.connections.rw === 0;
    });
  });
});

describe('pgbench', () => {
  const pgbench = (args: readonly string[]) =>
    run(`${DEBIAN_15}/pgbench`, ['-h', '127.0.0.1', '-p', String(gateway.rw), ...args], { env: APP });

  it.each(['simple', 'extended', 'prepared'])('%s protocol loses no transaction', async (mode) => {
    expect((await pgbench(['-i', '-q', '-s', '1'])).code).toBe(0);
    const ran = await pgbench(['-n', '-M', mode, '-c', '4', '-t', '50']);
    expect(ran.out).toMatch(/number of transactions actually processed: 200\/200/);
    expect((await psql(['-c', 'select count(*) from pgbench_history'])).out).toBe('200\n');
  });

  it('pipelined', async () => {
    const script = `${temp.dir}/pipeline.sql`;
    const insert = 'insert into pgbench_history (tid) values (1);\n';
    await psql(['-c', 'truncate pgbench_history']);
    await writeFile(script, `\\startpipeline\n${insert.repeat(20)}\\endpipeline\n`);
    const ran = await pgbench(['-n', '-M', 'extended', '-c', '2', '-t', '20', '-f', script]);
    expect(ran.err).not.toMatch(/error/);
    expect((await psql(['-c', 'select count(*) from pgbench_history'])).out).toBe('800\n');
  });
});

describe('JDBC', () => {
  // Where it matters, a missing driver is a failure and not a silent gap.
  const wanted = existsSync(JDBC) || process.env['CI'] === 'true';
  const name = 'extended protocol, server-side prepared, batches, cursors, COPY, cancel';
  it.skipIf(!wanted)(
    wanted ? name : `${name} (${JDBC} is missing: apt-get install libpostgresql-jdbc-java)`,
    async () => {
      const source = fileURLToPath(new URL('./jdbc/Probe.java', import.meta.url));
      const url = `jdbc:postgresql://127.0.0.1:${gateway.rw}/postgres?user=app&password=app-password&prepareThreshold=1`;
      const ran = await run('java', ['-cp', JDBC, source, url]);
      expect(ran.err).toBe('');
      expect(ran.out.trim().split('\n')).toEqual(['batch 1000', 'cursor 5000', 'copy 3', 'cancel 57014', 'rollback 0']);
    },
  );
});

describe('what is not the protocol', () => {
  const talk = async (bytes: Buffer): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port: gateway.rw });
    return everything(socket, bytes);
  };
  const everything = (socket: Socket, bytes: Buffer): Promise<string> =>
    new Promise((resolve) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
      socket.write(bytes);
    });

  it.each([
    ['a web browser', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'), /invalid length of startup packet/],
    ['protocol 2', startup({ user: 'postgres' }, 131_072), /unsupported frontend protocol 2\.0/],
    ['a huge startup packet', startup({ user: 'x'.repeat(10_000) }), /invalid length of startup packet/],
    ['no terminator', Buffer.from('0000000d000300007573657261', 'hex'), /expected a terminator/],
    ['plain text behind an SSLRequest', Buffer.from('0000000804d2162f0000000804d2162f', 'hex'), /unencrypted data/],
  ])('%s is refused', async (_name, bytes, message) => {
    expect(await talk(bytes)).toMatch(message);
  });

  it('a message of an impossible length ends the connection', async () => {
    const client = await RawClient.open(gateway.rw);
    client.socket.write(Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff]));
    expect(await client.until((_seen, closed) => closed)).toEqual(['E 08P01']);
  });

  it('direct TLS needs its ALPN', async () => {
    const open = (protocols: string[]) =>
      connectTls({ host: '127.0.0.1', port: gateway.rw, rejectUnauthorized: false, ALPNProtocols: protocols });
    const good = await everything(open(['postgresql']), startup({ user: 'app', replication: 'true' }));
    expect(good).toMatch(/replication connections/);
    expect(await everything(open([]), startup({ user: 'app', replication: 'true' }))).toBe('');
  });

  it('protocol 3.2 is left to PostgreSQL to negotiate', async () => {
    const client = new RawClient(connect({ host: '127.0.0.1', port: gateway.rw }));
    client.socket.write(startup({ user: 'postgres', database: 'postgres' }, 196_610));
    expect((await client.until((seen) => seen.includes('Z I')))[0]).toBe('v');
    client.socket.destroy();
  });

  it.runIf(process.getuid?.() === 0)('gets a processor first, and nobody else of its session does', async () => {
    const stat = await readFile(`/proc/${gateway.pid}/stat`, 'utf8');
    const [nice] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(16);
    expect(nice).toBe('-5');
    if (existsSync('/proc/self/autogroup'))
      expect(await readFile('/proc/self/autogroup', 'utf8')).not.toMatch(/nice -5$/m);
  });
});
