import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { WorldStatus } from '../../src/ports/status.ts';
import { openWorld } from '../../src/world/open.ts';
import { lookAtWorld } from '../../src/world/status.ts';

/** The repository, as a user has it after `npm ci`. */
export const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'dist/cli/main.js');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Ports of the worlds of this worker. Test files run beside each other, and a world that comes back wants the ports that it
 * had: nobody else's may be there by then.
 */
const BASE_PORT = 7_800 + 1_000 * Number(process.env['VITEST_POOL_ID'] ?? 0);

/** Runs one command of the built program to its end. */
export function farshore(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const ports = args[0] === 'up' && !args.includes('--base-port') ? ['--base-port', String(BASE_PORT)] : [];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args, ...ports], {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A state directory of its own, with a space in its path as people have. */
export const stateDir = (): string => join(mkdtempSync(join(tmpdir(), 'farshore e2e ')), 'state');

/** Removes a stopped world. Its data may be elsewhere: run as root, PostgreSQL's user cannot reach a private folder. */
export function removeState(dir: string): void {
  const world = join(dir, 'world.json');
  if (existsSync(world)) {
    const { dataRoot, runDir } = JSON.parse(readFileSync(world, 'utf8')) as {
      readonly dataRoot: string;
      readonly runDir: string;
    };
    // `…/ID/nodes` outside of the state directory: the folder of this world and nothing of another one.
    if (!dataRoot.startsWith(dir)) rmSync(join(dataRoot, '..'), { recursive: true, force: true });
    rmSync(runDir, { recursive: true, force: true });
  }
  rmSync(join(dir, '..'), { recursive: true, force: true });
}

/**
 * What `farshore status --json` prints (world.test.ts holds that command itself). Looked at from here: whoever waits asks five times
 * a second, and a process for each answer took half of the machine away from the world that it waited for.
 */
export async function status(dir: string): Promise<WorldStatus> {
  const world = openWorld(dir);
  try {
    return JSON.parse(JSON.stringify(await lookAtWorld(world))) as WorldStatus;
  } finally {
    await world.close();
  }
}

/** A client as an application would be: through a region's gateway, with the application's password. */
export async function connect(
  dir: string,
  world: WorldStatus,
  region: string,
  door: 'rw' | 'ro' = 'rw',
): Promise<pg.Client> {
  const secrets = JSON.parse(readFileSync(join(dir, 'secrets.json'), 'utf8')) as { readonly appPassword: string };
  const address = world.regions.find((it) => it.id === region)?.addresses[door];
  const url = new URL(address ?? '');
  url.password = secrets.appPassword;
  const client = new pg.Client({ connectionString: url.href });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Past the gateway, over the node's own socket, as a superuser on its machine could. */
export async function connectAdmin(dir: string, region: string): Promise<pg.Client> {
  const layout = JSON.parse(readFileSync(join(dir, 'world.json'), 'utf8')) as {
    readonly places: readonly {
      readonly id: string;
      readonly nodes: readonly { readonly postgresRunDir: string; readonly ports: { readonly postgres: number } }[];
    }[];
  };
  const node = layout.places.find((place) => place.id === region)?.nodes[0];
  const secrets = JSON.parse(readFileSync(join(dir, 'secrets.json'), 'utf8')) as { readonly adminPassword: string };
  const client = new pg.Client({
    host: node?.postgresRunDir,
    port: node?.ports.postgres,
    user: 'farshore_admin',
    password: secrets.adminPassword,
    database: 'app',
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Every process on this machine that belongs to the world in `dir`, by a path of it in its command line. */
export function processesOf(dir: string): readonly string[] {
  const found: string[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (command.includes(dir)) found.push(`${entry} ${command}`);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** Polls until `look` gives something, at most `limitMs`. */
export async function eventually<T>(limitMs: number, what: string, look: () => Promise<T | null>): Promise<T> {
  const untilMs = Date.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (Date.now() > untilMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * Holds a fault in force (`farshore fault WORDS`) and resolves once it is proven. What it resolves to, which is also put into
 * `undone`, ends it and waits until it is undone.
 */
export function holdFault(
  dir: string,
  words: readonly string[],
  undone: (() => Promise<void>)[],
): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, 'fault', ...words, '--for', '10m', '--state', dir], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<void>((over) => child.once('exit', () => over()));
    const undo = async (): Promise<void> => {
      child.kill('SIGINT');
      await ended;
    };
    undone.push(undo);
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.stdout.once('data', () => resolve(undo));
    child.once('exit', (code) => reject(new Error(`farshore fault ${words.join(' ')} ended ${code}: ${said}`)));
  });
}

/** The world in `dir` once it is ready: a primary is open, everybody follows and confirms. */
export const readyWorld = (dir: string): Promise<WorldStatus> =>
  eventually(90_000, 'a ready world', async () => {
    const world = await status(dir);
    return world.state === 'ready' ? world : null;
  });
