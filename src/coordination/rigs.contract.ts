import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import type { Coordination } from '../ports/coordination.ts';
import { freePort } from '../world/free-ports.ts';
import type { Rig } from './rig.contract.ts';
import { connectStore } from './etcd/client.ts';

/** Real stores for tests: processes, folders and clients, all removed by `close`. */
export const TOKEN = 'a-token-for-tests-only';
export const ETCD = '/usr/bin/etcd';
export const hasEtcd = (): boolean => existsSync(ETCD);

/** The real clock of these tests. */
export const clock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep: (ms, signal) => delay(Math.max(0, ms), undefined, signal === undefined ? {} : { signal }),
};

export const connectTo = (port: number, token: string | null = TOKEN, timeoutMs = 5_000): Coordination =>
  connectStore({
    urls: [`http://127.0.0.1:${port}`],
    auth: token === null ? { kind: 'none' } : { kind: 'token', token },
    timeoutMs,
    clock,
  });

/** One gateway call without our client. */
export const raw = (port: number, path: string, body: unknown, token: string | null = TOKEN): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: token === null ? {} : { authorization: token },
  });

export async function compactAt(port: number, revision: number, token: string | null = TOKEN): Promise<void> {
  const response = await raw(port, '/v3/kv/compaction', { revision: String(revision) }, token);
  if (response.status !== 200) throw new Error(`compaction: ${await response.text()}`);
}

export const tempDir = (): Promise<string> => mkdtemp(join(tmpdir(), 'farshore-store-'));

export interface StoreProcess {
  readonly port: number;
  readonly child: ChildProcess;
  readonly pid: number;
  /** Every line that it printed so far, and its standard error. */
  readonly output: { stdout: string; stderr: string };
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

const mainPath = join(import.meta.dirname, '../../dist/coordination/embedded/main.js');

/** Writes the files a store process is started with. `dir/data` is its data directory. */
export async function storeFiles(dir: string, port = 0, host = '127.0.0.1'): Promise<string> {
  const secretsPath = join(dir, 'secrets.json');
  await writeFile(secretsPath, JSON.stringify({ storeToken: TOKEN }), { mode: 0o600 });
  const configPath = join(dir, 'store.json');
  const listen = { host, port };
  await writeFile(configPath, JSON.stringify({ listen, dataDir: join(dir, 'data'), secretsPath }));
  return configPath;
}

/** Starts the embedded server as users do. Rejects with its error output when it ends instead of listening. */
export async function startStoreProcess(
  dir: string,
  options: { readonly port?: number; readonly host?: string; readonly command?: readonly string[] } = {},
): Promise<StoreProcess> {
  const configPath = await storeFiles(dir, options.port, options.host);
  const [file = '', ...args] = options.command ?? [process.execPath];
  const child = spawn(file, [...args, mainPath, configPath], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)));
  const ready = await new Promise<{ port: number; pid: number }>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      output.stdout += String(chunk);
      const line = /^.*"event":"ready".*$/m.exec(output.stdout)?.[0];
      if (line !== undefined) resolve(JSON.parse(line));
    });
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`exit ${code}: ${output.stderr}`)));
  });
  const end = (signal: NodeJS.Signals): Promise<number | null> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode);
      child.once('close', (code) => resolve(code));
      child.kill(signal);
    });
  return { ...ready, child, output, end };
}

/** Debian's etcd, one member, stock settings. */
export async function etcdRig(): Promise<Rig> {
  if (!hasEtcd()) throw new Error(`${ETCD} is missing: apt-get install etcd-server`);
  const dir = await tempDir();
  const [port, peerPort] = [await freePort(), await freePort()];
  const [url, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const args = [
    '--name=one',
    `--data-dir=${dir}/data`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
  ];
  args.push(`--listen-peer-urls=${peer}`, `--initial-advertise-peer-urls=${peer}`, `--initial-cluster=one=${peer}`);
  const child = spawn(ETCD, args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const healthy = async (): Promise<boolean> => {
    const response = await raw(port, '/v3/kv/range', { key: 'YQ==' }, null).catch(() => null);
    return response?.status === 200;
  };
  for (let tries = 0; !(await healthy()); tries++) {
    if (tries > 300 || child.exitCode !== null) throw new Error('etcd does not answer');
    await delay(100);
  }
  return {
    connect: () => connectTo(port, null),
    sleep: (ms) => delay(ms),
    nowMs: () => clock.nowMs(),
    compact: (revision) => compactAt(port, revision, null),
    expiryLateMs: 3_000,
    close: async () => {
      child.kill('SIGKILL');
      await ended;
      await rm(dir, { recursive: true });
    },
  };
}
