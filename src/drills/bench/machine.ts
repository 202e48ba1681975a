/** What the benches of the planes share: cores, processes, and a store with a route table in it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { authOf, connectStore } from '../../coordination/etcd/client.ts';
import type { Secrets, StoreConfig } from '../../ports/config.ts';
import { keysOf, type RouteTable } from '../../ports/records.ts';
import { nodeClock } from '../../telemetry/node-clock.ts';

/** The server that is measured has the first core alone; load, upstream and what belongs to neither share the second. */
export const [MEASURED, OTHERS] = ['0', '1'];
export const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** All processes of a run, to be ended with it. */
export const started: ChildProcess[] = [];

export function launch(core: string, argv: readonly string[], cwd: string): ChildProcess {
  const child = spawn('taskset', ['-c', core, ...argv], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-500)));
  child.on('exit', (code) => {
    if (code !== null && code !== 0) process.stderr.write(`${argv[0]} ended with ${code}: ${said}\n`);
  });
  started.push(child);
  return child;
}

export async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('close', () => socket.destroy());
      socket.unref();
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on ${port}`);
}

const program = (name: string): string | null =>
  [`/usr/sbin/${name}`, `/usr/bin/${name}`].find((path) => existsSync(path)) ?? null;
export const missing = (name: string): string | null => (program(name) === null ? `not installed: ${name}` : null);

/** How the servers under test reach the store of the bench. */
export const store: { urls: readonly string[]; readonly token: string } = { urls: [], token: 'bench-bench-bench' };

/** Whose table the benches of the planes write. */
export const BENCHED = { deployment: 'bench', group: 'main' } as const;

export interface Table {
  readonly deployment: string;
  readonly group: string;
  readonly routes: RouteTable;
}

/** The store of the bench with a route table in it, on the second core. */
export async function startStore(port: number, dir: string, table: Table): Promise<void> {
  const secretsPath = join(dir, 'secrets.json');
  const none = { adminPassword: '', replicationPassword: '', appPassword: '', agentToken: '', gatewayToken: '' };
  const secrets: Secrets = { ...none, storeToken: store.token };
  writeFileSync(secretsPath, JSON.stringify(secrets));
  const config: StoreConfig = { listen: { host: '127.0.0.1', port }, dataDir: join(dir, 'store'), secretsPath };
  writeFileSync(join(dir, 'store.json'), JSON.stringify(config));
  const child = launch(OTHERS, [process.execPath, MAIN, 'store', join(dir, 'store.json')], dir);
  await listening(port);
  if (child.exitCode !== null) throw new Error('the store ended');
  store.urls = [`http://127.0.0.1:${port}`];
  const auth = authOf('embedded', { storeToken: store.token });
  const client = connectStore({ urls: store.urls, auth, timeoutMs: 2_000, clock: nodeClock });
  const written = await client.txn(
    [],
    [{ put: keysOf(table.deployment, table.group).routes, value: JSON.stringify(table.routes) }],
  );
  await client.close();
  if (written.kind !== 'done') throw new Error(`the table was not written: ${written.why}`);
}

/** CPU seconds, user and kernel, of a process and all its descendants that live. */
export function cpuSecondsOf(root: number): number {
  const all = new Map<number, { readonly parent: number; readonly ticks: number }>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const text = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      all.set(Number(entry), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It ended.
    }
  }
  const belongs = (pid: number): boolean => pid === root || belongsByParent(pid);
  const belongsByParent = (pid: number): boolean => {
    const seen = all.get(pid);
    return seen !== undefined && seen.parent > 1 && belongs(seen.parent);
  };
  const hertz = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100;
  return [...all].reduce((sum, [pid, { ticks }]) => sum + (belongs(pid) ? ticks : 0), 0) / hertz;
}
